"""Where the benchmark's long levels put the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capacity import Told, crossing, together, usual
from seatrial.profiling.arrivals import POISSON
from seatrial.profiling.load import moments
from seatrial.profiling.queue_model import one_worker
from seatrial.tensors import Array

RATES = (95.0, 100.0, 105.0, 110.0)


@given(st.floats(96, 109), st.floats(0.1, 1.0))
def test_on_a_straight_line_it_is_where_the_line_crosses(truth: float, slope: float) -> None:
    told = [Told(rate, 0.01 * math.exp(slope * (rate - truth)), 4000, 10) for rate in RATES]
    found = crossing(told, 0.01)
    assert found == pytest.approx(truth, rel=0.02)


def test_levels_with_more_bursts_of_late_requests_weigh_more() -> None:
    sure = [Told(100, 0.005, 4000, 15), Told(105, 0.02, 4000, 60), Told(110, 0.02, 4000, 2)]
    assert crossing(sure, 0.01) == pytest.approx(102.5, abs=0.6)


@pytest.mark.parametrize("shares", [(0.0, 0.0, 0.004, 0.009), (0.02, 0.03, 0.05, 0.2)])
def test_what_lies_outside_the_levels_is_not_known(shares: tuple[float, ...]) -> None:
    told = [Told(rate, share, 4000, 9) for rate, share in zip(RATES, shares, strict=True)]
    assert crossing(told, 0.01) is None


def test_a_step_from_nothing_to_an_overload_is_between_the_two() -> None:
    found = crossing([Told(95, 0, 4000, 0), Told(100, 0, 4000, 0), Told(105, 0.6, 4000, 1)], 0.01)
    assert found is not None
    assert 100 < found < 105


def test_levels_of_one_rate_are_one_with_the_requests_and_bursts_of_all() -> None:
    told = [Told(100, 0.01, 1000, 2), Told(95, 0.0, 900, 0), Told(100, 0.04, 3000, 5)]
    assert together(told) == [Told(95, 0.0, 900, 0), Told(100, 0.0325, 4000, 7)]


def test_usual_arrivals_make_as_many_late_as_arrivals_do_on_average() -> None:
    def late(at: Array) -> float:
        return float(np.mean(one_worker(at, np.full(len(at), 0.0082)) > 0.06))

    anyhow = [late(moments(POISSON, 83.5, 45.0, seed)) for seed in range(100)]
    chosen = [late(usual(83.5, 45.0, 122.0, 99, seed)) for seed in range(0, 1000, 100)]
    assert np.std(chosen) < 0.4 * np.std(anyhow)
    assert np.mean(chosen) == pytest.approx(np.mean(anyhow), rel=0.25)
