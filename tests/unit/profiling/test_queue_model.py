from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.profiling.queue_model import highest_rate, late_share, latencies


def test_the_mean_wait_of_md1_is_that_of_pollaczek_and_khinchine() -> None:
    rho, service = 0.7, 0.01
    found = latencies(rho / service, [service], 1, requests=400_000, seed=1).mean()
    assert found == pytest.approx(service + rho * service / (2 * (1 - rho)), rel=0.03)


def test_late_shares_of_mm1_are_exponential() -> None:
    mu, rate, limit = 100.0, 70.0, 0.1
    services = np.random.default_rng(2).exponential(1 / mu, 20_000)
    found = late_share(rate, list(services), 1, limit, requests=400_000)
    assert found == pytest.approx(math.exp(-(mu - rate) * limit), rel=0.15)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.001, 0.1), st.floats(1.5, 30), st.sampled_from([90.0, 99.0]))
def test_the_highest_rate_keeps_the_objective_and_a_little_more_does_not(
    service: float, slack: float, percentile: float
) -> None:
    limit = service * slack
    rate = highest_rate([service], 1, limit, percentile)
    assert 0 < rate < 1 / service
    assert late_share(rate, [service], 1, limit) <= 1 - percentile / 100
    assert late_share(min(rate * 1.05, 1.2 / service), [service], 1, limit) > 1 - percentile / 100


def test_more_instances_carry_more_and_an_impossible_limit_nothing() -> None:
    assert highest_rate([0.01], 2, 0.05, 99) > 1.9 * highest_rate([0.01], 1, 0.05, 99)
    assert highest_rate([0.01], 1, 0.009, 99) == 0
