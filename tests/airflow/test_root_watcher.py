"""The upload watcher in an event loop, as the triggerer runs it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from operators import root_watcher
from operators.daemon_threads import in_thread
from operators.root_watcher import RootWatcher
from operators.triggers import UploadTrigger
from seatrial.errors import Refused, TryAgain
from seatrial.storage.folder import Folder
from seatrial.storage.port import Entry
from seatrial.uploads import pending
from seatrial.uploads.done import CompleteUpload, field_of, record_of, shard_of
from seatrial.uploads.roots import UploadRoot, open_roots
from seatrial.uploads.settling import Observation
from tests.airflow.stores import AsyncStore
from tests.airflow.watchers import Log, told
from tests.models import write_upload


class Doing(Folder):
    """A folder that does something before each listing."""

    def __init__(self, folder: Path, act: Callable[[], None]) -> None:
        super().__init__(folder)
        self._act = act

    def entries(self, folder: str, most: int | None = None) -> list[Entry]:
        self._act()
        return super().entries(folder, most)


def root_of(folder: Path, act: Callable[[], None] = lambda: None) -> UploadRoot:
    return UploadRoot(folder, Doing(folder, act))


def watcher(root: UploadRoot, store: AsyncStore | None = None, log: Log | None = None) -> RootWatcher:
    log = Log() if log is None else log
    store = AsyncStore() if store is None else store
    return RootWatcher(root.url, lambda: root, store, log, poll_s=0.001, settle_s=5, most_files=10)


@contextmanager
def hung() -> Iterator[Callable[[], None]]:
    """Something that takes until the block ends."""
    over = threading.Event()
    try:
        yield lambda: over.wait() and None
    finally:
        over.set()


def test_an_upload_is_told_while_another_root_does_not_answer(tmp_path: Path) -> None:
    upload = write_upload(tmp_path / "good" / "a", model=False)
    with hung() as act:
        slow = watcher(root_of(tmp_path / "slow", act))
        assert told([slow, watcher(root_of(tmp_path / "good"))], 1) == [str(upload)]


def test_a_root_that_does_not_answer_takes_one_thread_and_leaves_the_loop_alone(tmp_path: Path) -> None:
    asked: list[int] = []
    with hung() as act:
        slow = watcher(root_of(tmp_path / "slow", lambda: asked.append(1) or act()))  # type: ignore[func-returns-value]

        async def turns() -> None:
            waiting = asyncio.ensure_future(anext(slow.run()))
            while not asked:
                await in_thread(lambda: None)
            for _ in range(100):
                await in_thread(lambda: None)
            assert len(asked) == 1
            waiting.cancel()

        asyncio.run(turns())


def test_the_trouble_of_a_root_is_logged_when_it_begins_and_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "CONFIRMED_IN_S", 0.0)
    upload, log, errors = write_upload(tmp_path / "a", model=False), Log(), [TryAgain("it is away")] * 5

    def fail() -> None:
        if errors:
            raise errors.pop()

    assert told([watcher(root_of(tmp_path, fail), log=log)], 4) == [str(upload)] * 4, "in two polls"
    assert [line for line in log if line.startswith("upload root")] == [
        f"upload root {tmp_path.as_uri()}: it is away",
        f"upload root {tmp_path.as_uri()}: well again after 0 s",
    ]


def test_a_root_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    upload, tries = write_upload(tmp_path / "a", model=False), [TryAgain("no connection")] * 3

    def open_root() -> UploadRoot:
        if tries:
            raise tries.pop()
        return open_roots((tmp_path.as_uri(),))[0]

    log = Log()
    one = RootWatcher(tmp_path.as_uri(), open_root, AsyncStore(), log, poll_s=0.001, settle_s=5, most_files=10)
    assert told([one], 1) == [str(upload)]
    assert [line for line in log if "no connection" in line] == [f"upload root {tmp_path.as_uri()}: no connection"]


def test_a_root_in_trouble_is_opened_again_and_what_was_seen_of_it_stays_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root_watcher, "AGAIN_S", 0.0)
    upload, log, opened = write_upload(tmp_path / "a", model=False), Log(), list[int]()

    def open_root() -> UploadRoot:
        opened.append(len(opened))
        uses = count()  # of a delegation token, say, that lasts for 20 listings

        def act() -> None:
            use = next(uses)
            assert use < 40, "it is never opened again"
            if use >= 20:
                raise Refused("the token has expired")

        return root_of(tmp_path, act)

    one = RootWatcher(tmp_path.as_uri(), open_root, AsyncStore(), log, poll_s=0.001, settle_s=5, most_files=10)

    async def until_opened_thrice() -> list[str]:
        names = []
        async for event in one.run():
            names.append(event["upload"])
            write_upload(tmp_path / f"b{len(names)}", model=False)
            if len(opened) == 3:
                return names
        raise AssertionError

    names = asyncio.run(until_opened_thrice())
    assert names[0] == str(upload)
    assert len(set(names)) == len(names), "an upload was told again for its root's sake"
    assert sum("watching" in line for line in log) == 1


def test_a_root_in_trouble_that_cannot_be_opened_again_yet_is_looked_at_as_it_was(tmp_path: Path) -> None:
    upload, log, opened, listings = write_upload(tmp_path / "a", model=False), Log(), count(), count()

    def act() -> None:
        if next(listings) < 2:
            raise TryAgain("the NameNode restarts")

    def open_root() -> UploadRoot:
        if next(opened):
            raise TryAgain("Airflow does not say the connection")
        return root_of(tmp_path, act)

    one = RootWatcher(tmp_path.as_uri(), open_root, AsyncStore(), log, poll_s=0.001, settle_s=5, most_files=10)
    assert told([one], 1) == [str(upload)]


def test_a_root_of_the_settings_is_watched_with_the_files_that_they_allow_an_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEATRIAL_UPLOADS", tmp_path.as_uri())
    monkeypatch.setenv("SEATRIAL_UPLOAD_FILES", "2")
    upload = tmp_path / "a"
    upload.mkdir()
    for name in ("a", "b", "c", "d", "_SUCCESS"):
        (upload / name).touch()
    [one] = UploadTrigger(0.001)._watchers()
    first: dict[str, Any] = asyncio.run(anext(one.run()))  # type: ignore[arg-type]
    seen = tuple((name, 0, (upload / name).stat().st_mtime_ns) for name in ("a", "b", "c"))
    assert first["id"] == Observation(str(upload), seen).identity, "one more than that tells that they are too many"


def records(store: AsyncStore, *uploads: CompleteUpload, root: Path) -> None:
    for upload in uploads:
        store.setdefault(shard_of(root.as_uri(), upload.name), {})[field_of(upload.name)] = record_of(upload)


def test_a_restarted_watcher_tells_only_what_has_no_record(tmp_path: Path) -> None:
    store = AsyncStore()
    old = write_upload(tmp_path / "old", model=False)
    first: dict[str, Any] = asyncio.run(anext(watcher(root_of(tmp_path), store).run()))  # type: ignore[arg-type]
    records(store, CompleteUpload(first["upload"], first["id"], first["told_ns"]), root=tmp_path)
    new = write_upload(tmp_path / "zzz", model=False)
    assert first["upload"] == str(old)
    assert told([watcher(root_of(tmp_path), store)], 1) == [str(new)]


def test_an_upload_that_gets_no_record_is_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "CONFIRMED_IN_S", 0.0)
    upload = write_upload(tmp_path / "a", model=False)
    assert told([watcher(root_of(tmp_path))], 3) == [str(upload)] * 3


def test_records_of_what_is_gone_are_dropped_unless_all_seems_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root_watcher, "PRUNE_S", 0.0)
    full, empty, store = tmp_path / "full", tmp_path / "empty", AsyncStore()
    empty.mkdir()
    here = write_upload(full / "here", model=False)
    for root in (full, empty):
        records(store, CompleteUpload(str(root / "gone"), "1", 1), root=root)
    records(store, CompleteUpload(str(here), "as it was", 1), root=full)
    before = {key: dict(value) for key, value in store.items()}
    polls = threading.Semaphore(0)

    async def looked_at(root: Path) -> None:
        waiting = asyncio.ensure_future(_all(watcher(root_of(root, polls.release), store)))
        for _ in range(6):
            await in_thread(polls.acquire)
        waiting.cancel()

    for root in (full, empty):
        asyncio.run(looked_at(root))
    gone, kept = shard_of(full.as_uri(), str(full / "gone")), shard_of(full.as_uri(), str(here))
    assert field_of(str(full / "gone")) not in store[gone]
    assert field_of(str(here)) in store[kept]
    alone = shard_of(empty.as_uri(), str(empty / "gone"))
    assert store[alone] == before[alone]


async def _all(one: RootWatcher) -> None:
    async for _ in one.run():
        pass


def test_a_fault_of_a_watcher_is_the_trigger_s(tmp_path: Path) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        told([watcher(root_of(tmp_path, fail))], 1)
