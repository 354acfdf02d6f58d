from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from operators.dispatch import LATE, PAGE, Confirmed, pages, payloads
from tests.airflow.stores import Store

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Events:
    """What Airflow gives a task of an asset's events: `after` is inclusive."""

    def __init__(self, times: list[datetime]) -> None:
        self._all = [SimpleNamespace(id=at, timestamp=time) for at, time in enumerate(times)]
        self._after, self._most, self.asked = datetime.min.replace(tzinfo=UTC), 0, 0

    def after(self, stamp: str) -> Events:
        self._after = datetime.fromisoformat(stamp)
        return self

    def ascending(self, ascending: bool) -> Events:
        assert ascending
        return self

    def limit(self, most: int) -> Events:
        self._most = most
        return self

    def __iter__(self) -> Any:
        self.asked += 1
        found = sorted((one for one in self._all if one.timestamp >= self._after), key=lambda one: one.timestamp)
        return iter(found[: self._most])


@given(st.lists(st.integers(0, 50), max_size=4 * PAGE), st.integers(-100, 100))
def test_every_event_since_the_last_one_that_was_read_is_read(seconds: list[int], read_to: int) -> None:
    events = Events([EPOCH + timedelta(seconds=one) for one in seconds])
    since = EPOCH + timedelta(seconds=read_to)
    found = {one.id for page in pages(events, since.isoformat()) for one in page}
    assert found == {at for at, one in enumerate(seconds) if EPOCH + timedelta(seconds=one) >= since - LATE}


def test_a_thousand_events_are_read_page_by_page_and_more_than_a_page_of_one_moment_too() -> None:
    events = Events([EPOCH] * (2 * PAGE + 1) + [EPOCH + timedelta(seconds=one) for one in range(1000)])
    assert len({one.id for page in pages(events, None) for one in page}) == 2 * PAGE + 1001
    assert events.asked < 12


def told(upload: str, identity: str) -> dict[str, Any]:
    return {"id": identity, "upload": upload, "root": "file:///u", "told_ns": 1}


NAMES = st.text("abc", min_size=1, max_size=2)


@given(st.lists(st.tuples(NAMES, NAMES), max_size=30))
def test_each_upload_waits_until_it_is_confirmed_and_then_no_more(uploads: list[tuple[str, str]]) -> None:
    store = Store()
    before, after = Confirmed(store), Confirmed(store)
    waiting = before.waiting([told(name, f"{name}-{one}") for name, one in uploads])
    assert sorted(payload["id"] for payload in waiting) == sorted({f"{name}-{one}" for name, one in uploads})
    for payload in waiting:
        before.add(payload)
    before.save()
    last = {payload["upload"]: payload for payload in waiting}
    assert after.waiting(list(last.values())) == []
    assert after.waiting([told("new", "new")]) == [told("new", "new")]


def test_events_that_the_watcher_did_not_make_are_left_alone() -> None:
    extras: list[Any] = [
        None,
        {},
        {"from_rest_api": True},
        {"payload": "x"},
        {"payload": {"id": "1", "upload": "/u/a"}},
        {"payload": told("/u/a", "1")},
    ]
    assert payloads([SimpleNamespace(extra=extra) for extra in extras]) == [told("/u/a", "1")]
