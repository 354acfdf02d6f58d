from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.profiling.queue_model import highest_rate, late_share, latencies, service_times


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


@pytest.mark.parametrize(("instances", "apart"), [(1, 0.045), (2, 0.08)])
def test_the_highest_rate_is_no_matter_of_the_simulated_arrivals(instances: int, apart: float) -> None:
    services = list(0.038 * np.random.default_rng(4).lognormal(0, 0.12, 800))
    rates = [highest_rate(services, instances, 0.15, 99, seed=seed) for seed in range(4)]
    assert max(rates) < (1 + apart) * min(rates)


def test_more_instances_carry_more_and_an_impossible_limit_nothing() -> None:
    assert highest_rate([0.01], 2, 0.05, 99) > 1.9 * highest_rate([0.01], 1, 0.05, 99)
    assert highest_rate([0.01], 1, 0.009, 99) == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.001, 0.1), min_size=1, max_size=30), st.integers(1, 4), st.floats(0.1, 1.5))
def test_service_times_are_found_again_behind_the_waiting(services: list[float], instances: int, load: float) -> None:
    rate = load * instances / float(np.mean(services))
    arrivals = np.cumsum(np.random.default_rng(3).exponential(1.0, 200)) / rate
    found = service_times(arrivals, latencies(rate, services, instances, requests=200, seed=3), instances)
    assert all(min(abs(one - known) for known in services) < 1e-6 for one in found)


def test_answers_in_any_order_give_the_service_times_in_the_order_of_sending() -> None:
    sent, latency = np.array([0.0, 1.0, 1.1]), np.array([0.5, 0.4, 0.6])
    order = [2, 0, 1]
    assert service_times(sent[order], latency[order], 1) == pytest.approx([0.5, 0.4, 0.3])


def test_slow_requests_that_came_together_stay_together() -> None:
    """Bursts make longer queues than as many slow requests one by one."""
    burst = [0.01] * 190 + [0.05] * 10
    spread = ([0.01] * 19 + [0.05]) * 10
    assert late_share(40, burst, 1, 0.12) > 2 * late_share(40, spread, 1, 0.12)
