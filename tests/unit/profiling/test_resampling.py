"""What stays together when service times are drawn again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.profiling.queue import Queue
from seatrial.profiling.queue_model import highest_rate
from seatrial.profiling.resampling import BLOCK, fewer, resampled

LIMIT_S = 0.2


def steady(count: int, every: int = 0, seed: int = 1) -> np.ndarray:
    """5 ms; 100 ms more for one in `every`, by a clock."""
    services = 0.005 * np.random.default_rng(seed).lognormal(0, 0.05, count)
    if every:
        services[every // 2 :: every] += 0.1
    return services


def by_chance(count: int, share: float, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return 0.005 * random.lognormal(0, 0.05, count) + 0.036 * (random.random(count) < share)


def gaps(services: np.ndarray) -> np.ndarray:
    return np.diff(np.flatnonzero(services > 0.05))


def test_slow_ones_that_come_by_a_clock_never_meet() -> None:
    drawn = resampled(np.random.default_rng(2), steady(1400, every=200), 50_000)
    assert len(drawn) == 50_000
    assert set(gaps(drawn)) == {200}


def test_slow_ones_that_come_by_chance_meet() -> None:
    drawn = resampled(np.random.default_rng(2), by_chance(2000, 0.005, seed=3) * 10, 50_000)
    assert gaps(drawn).min() < 50


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(1, 500))
def test_neighbours_stay_together_and_all_are_drawn(observed: int, requests: int) -> None:
    drawn = resampled(np.random.default_rng(1), np.arange(observed, dtype=float), requests)
    assert len(drawn) == requests
    for first in range(0, requests, BLOCK):
        block = drawn[first : first + BLOCK]
        assert np.all((np.diff(block) - 1) % observed == 0)


def test_a_server_with_a_clock_carries_more_than_one_that_pauses_by_chance() -> None:
    """As often, for as long."""
    regular, random = steady(1400, every=200), steady(1400)
    random[np.random.default_rng(5).permutation(1400)[:7]] += 0.1
    assert highest_rate(list(regular), Queue(), LIMIT_S, 99) > 1.1 * highest_rate(list(random), Queue(), LIMIT_S, 99)


@pytest.mark.parametrize("services", [steady(3000), steady(3000, every=200), by_chance(3000, 0.05, seed=9)])
def test_no_more_are_kept_and_they_promise_what_all_do(services: np.ndarray) -> None:
    kept = fewer(list(services), 1000)
    assert len(kept) <= 1000
    all_of_them = highest_rate(list(services), Queue(), LIMIT_S, 99)
    assert highest_rate(kept, Queue(), LIMIT_S, 99) == pytest.approx(all_of_them, rel=0.15)
