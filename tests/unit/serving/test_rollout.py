from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.serving.rollout import FAILURES_LIMIT, STEADY_S, Failures, Seen, next_actions

State = Literal["starting", "ready", "draining", "failed"]
SOME = st.lists(
    st.builds(Seen, st.uuids().map(str), st.booleans(), st.sampled_from(["starting", "ready", "draining", "failed"])),
    max_size=8,
)


def replicas(*states: State, fits: bool = True) -> list[Seen]:
    return [Seen(f"{'new' if fits else 'old'}-{i}", fits, state) for i, state in enumerate(states)]


def test_missing_replicas_are_started_beside_those_on_their_way() -> None:
    assert next_actions(3, replicas("ready", "starting"), may_start=True).start == 1


def test_nothing_is_started_while_starts_pause() -> None:
    assert next_actions(3, replicas("ready"), may_start=False).start == 0


def test_the_newest_surplus_replicas_go() -> None:
    assert next_actions(1, replicas("ready", "ready", "ready"), may_start=True).drain == ("new-1", "new-2")


def test_an_old_option_serves_until_all_new_replicas_are_ready() -> None:
    old = replicas("ready", fits=False)
    assert next_actions(2, [*old, *replicas("ready", "starting")], may_start=True).drain == ()
    assert next_actions(2, [*old, *replicas("ready", "ready")], may_start=True).drain == ("old-0",)


@given(st.integers(0, 5), SOME, st.booleans())
def test_whoever_is_ready_goes_only_when_enough_stay(wanted: int, seen: list[Seen], may_start: bool) -> None:
    actions = next_actions(wanted, seen, may_start)
    stay = [r for r in seen if r.state == "ready" and r.fits and r.id not in actions.drain]
    gone = [r for r in seen if r.state == "ready" and r.id in actions.drain]
    assert len(stay) >= wanted or not gone
    assert len(stay) <= max(wanted, 0) or not gone
    assert set(actions.remove) == {r.id for r in seen if r.state == "failed"}
    assert not set(actions.drain) & {r.id for r in seen if r.state in ("draining", "failed")}


@given(st.integers(0, 5), SOME)
def test_carrying_out_the_actions_reaches_what_is_wanted_and_then_rests(wanted: int, seen: list[Seen]) -> None:
    for _ in range(12):
        actions = next_actions(wanted, seen, may_start=True)
        gone = {*actions.drain, *actions.remove, *(r.id for r in seen if r.state == "draining")}
        seen = [replace(r, state="ready") if r.state == "starting" else r for r in seen if r.id not in gone]
        seen += [Seen(f"started-{len(seen)}-{i}", True, "starting") for i in range(actions.start)]
    assert [(r.fits, r.state) for r in seen] == [(True, "ready")] * wanted
    assert next_actions(wanted, seen, may_start=True) == next_actions(wanted, seen, may_start=False)


def test_replicas_that_fail_together_are_one_failure() -> None:
    first = Failures().after(created=10.0, was_ready_s=0.0, now=12.0)
    assert first.after(created=10.1, was_ready_s=0.0, now=12.1) == first
    assert first.after(created=12.6, was_ready_s=0.0, now=14.0).count == 2


def test_a_steady_replica_that_ends_begins_the_row_anew() -> None:
    many = Failures(count=FAILURES_LIMIT, last_at=100.0)
    assert many.gave_up
    assert many.after(created=50.0, was_ready_s=STEADY_S, now=500.0).count == 1


@given(st.integers(1, 40))
def test_pauses_grow_up_to_a_minute(count: int) -> None:
    now, later = Failures(count), Failures(count + 1)
    assert 0 < now.pause_s() <= later.pause_s() <= 60.0
    assert not now.may_start(now.pause_s() - 0.01)
    assert now.may_start(now.pause_s())


@pytest.mark.parametrize("at", [0.0, 1e9])
def test_without_a_failure_a_start_never_waits(at: float) -> None:
    assert Failures().may_start(at)
