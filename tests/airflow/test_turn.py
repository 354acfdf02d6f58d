from __future__ import annotations

import pytest

from operators import turn
from operators.turn import HELD_S, Turn
from tests.airflow.stores import Store


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def time(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(turn, "time", clock)
    return clock


def test_one_has_the_turn_until_it_ends(clock: Clock) -> None:
    store = Store()
    first, second = Turn(store, "a"), Turn(store, "b")
    assert first.take()
    assert not second.take()
    for _ in range(4):
        clock.now_s += HELD_S / 2 + 1
        first.keep()
        assert not second.take()
    first.end()
    assert second.take()


def test_the_turn_of_one_that_was_killed_is_over_soon_and_its_own_at_once(clock: Clock) -> None:
    store = Store()
    assert Turn(store, "a").take()
    assert Turn(store, "a").take()
    clock.now_s += HELD_S
    assert Turn(store, "b").take()
