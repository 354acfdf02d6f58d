"""When requests arrive, and what that does to a queue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.profiling.arrivals import CONSTANT, POISSON, Gaps, arrivals, gaps_of
from seatrial.profiling.queue import Queue
from seatrial.profiling.queue_model import highest_rate

RISING = st.lists(st.floats(0.001, 10), min_size=50, max_size=200).map(lambda gaps: list(np.cumsum(gaps)))
BURSTS = [second + at for second in range(10) for at in (0, 0.001, 0.002, 0.003, 0.004)]
BURST: Gaps = gaps_of("recorded", [*BURSTS, 10])


def drawn(gaps: Gaps, rate: float, count: int = 5000, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(arrivals(gaps, rate, count, np.random.default_rng(seed)))


@given(RISING, st.floats(0.1, 1e4), st.integers(0, 99))
def test_whatever_the_pattern_requests_come_at_the_rate_and_in_order(
    times_s: list[float], rate: float, seed: int
) -> None:
    for gaps in (POISSON, CONSTANT, gaps_of("recorded", times_s)):
        moments = drawn(gaps, rate, seed=seed)
        assert (np.diff(moments) >= 0).all()
        assert len(moments) / moments[-1] == pytest.approx(rate, rel=0.1)


@given(RISING)
def test_recorded_moments_come_again_in_their_order_however_fast(times_s: list[float]) -> None:
    gaps, rate = gaps_of("recorded", times_s), 7.0
    assert np.mean(gaps) == pytest.approx(1)
    seen = np.diff(drawn(gaps, rate)) * rate
    begins = next(at for at in range(len(gaps)) if np.allclose(np.roll(gaps, -at), seen[: len(gaps)]))
    assert np.allclose(np.resize(np.roll(gaps, -begins), len(seen)), seen)


def test_constant_arrivals_are_a_clock() -> None:
    assert np.allclose(np.diff(drawn(CONSTANT, 20)), 0.05)


def test_a_replica_carries_most_of_what_comes_evenly_and_least_of_what_comes_in_bursts() -> None:
    """A service time of 10 ms, a limit of 30: evenly nothing ever waits, and a burst of five never fits."""
    even, poisson, bursts = (highest_rate([0.01], Queue(), 0.03, 99, gaps=gaps) for gaps in (CONSTANT, POISSON, BURST))
    assert even == pytest.approx(100, rel=0.02)
    assert 20 < poisson < 80
    assert bursts < 5
    assert 60 < highest_rate([0.01], Queue(), 0.06, 99, gaps=BURST) <= 100
