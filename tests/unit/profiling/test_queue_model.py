from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.profiling.queue import Queue
from seatrial.profiling.queue_model import highest_rate, late_share, latencies, relative_error, seen_of_true


def test_the_mean_wait_of_md1_is_that_of_pollaczek_and_khinchine() -> None:
    rho, service = 0.7, 0.01
    found = latencies(rho / service, [service], Queue(), requests=400_000, seed=1).mean()
    assert found == pytest.approx(service + rho * service / (2 * (1 - rho)), rel=0.03)


def test_late_shares_of_mm1_are_exponential() -> None:
    mu, rate, limit = 100.0, 70.0, 0.1
    services = np.random.default_rng(2).exponential(1 / mu, 20_000)
    found = late_share(rate, list(services), Queue(), limit, requests=400_000)
    assert found == pytest.approx(math.exp(-(mu - rate) * limit), rel=0.15)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.001, 0.1), st.floats(1.5, 30), st.sampled_from([90.0, 99.0]))
def test_the_highest_rate_keeps_the_objective_and_a_little_more_does_not(
    service: float, slack: float, percentile: float
) -> None:
    limit = service * slack
    rate = highest_rate([service], Queue(), limit, percentile)
    assert 0 < rate < 1 / service
    assert late_share(rate, [service], Queue(), limit) <= 1 - percentile / 100
    assert late_share(min(rate * 1.05, 1.2 / service), [service], Queue(), limit) > 1 - percentile / 100


@pytest.mark.parametrize(("instances", "apart"), [(1, 0.045), (2, 0.08)])
def test_the_highest_rate_is_no_matter_of_the_simulated_arrivals(instances: int, apart: float) -> None:
    services = list(0.038 * np.random.default_rng(4).lognormal(0, 0.12, 800))
    rates = [highest_rate(services, Queue(instances=instances), 0.15, 99, seed=seed) for seed in range(4)]
    assert max(rates) < (1 + apart) * min(rates)


def test_more_instances_carry_more_and_an_impossible_limit_nothing() -> None:
    assert highest_rate([0.01], Queue(instances=2), 0.05, 99) > 1.9 * highest_rate([0.01], Queue(), 0.05, 99)
    assert highest_rate([0.01], Queue(), 0.009, 99) == 0


def test_slow_requests_that_came_together_stay_together() -> None:
    """Bursts make longer queues than as many slow requests one by one."""
    burst = [0.01] * 190 + [0.05] * 10
    spread = ([0.01] * 19 + [0.05]) * 10
    assert late_share(40, burst, Queue(), 0.12) > 2 * late_share(40, spread, Queue(), 0.12)


def test_who_waits_is_answered_together_and_no_more_than_fit() -> None:
    """12 at once, 4 fit, each further one adds a tenth of 10 ms; the floor comes on top."""
    found = latencies(1e9, [0.01], Queue(max_batch=4, each_more=0.1, floor_s=0.001), requests=12, seed=1)
    assert sorted(np.round(found, 4)) == pytest.approx([0.011] + [0.024] * 4 + [0.037] * 4 + [0.049] * 3)


def test_a_server_that_batches_carries_more_by_as_much_as_a_full_batch_is_quicker() -> None:
    batches = Queue(max_batch=8, each_more=0.1)
    assert highest_rate([0.01], batches, 0.1, 99) > 3 * highest_rate([0.01], Queue(), 0.1, 99)
    assert highest_rate([0.01], batches, 0.1, 99) < batches.saturation(0.01)


def by_chance(count: int, share: float, seed: int) -> list[float]:
    """5 ms; 36 ms more for that share."""
    random = np.random.default_rng(seed)
    return list(0.005 * random.lognormal(0, 0.05, count) + 0.036 * (random.random(count) < share))


@pytest.mark.parametrize(("share", "count", "limit_s"), [(0.05, 600, 0.15), (0.05, 2400, 0.15), (0.02, 400, 0.06)])
def test_the_error_is_that_of_the_rate_over_servers_that_are_alike(share: float, count: int, limit_s: float) -> None:
    samples = [by_chance(count, share, seed) for seed in range(30)]
    rates = [highest_rate(one, Queue(), limit_s, 99) for one in samples]
    said = [relative_error(rate, one, Queue(), limit_s) for rate, one in zip(rates, samples, strict=True)]
    assert float(np.median(said)) == pytest.approx(float(np.std(rates) / np.mean(rates)), rel=0.5)


def test_service_times_that_hardly_differ_are_sure_and_too_few_are_not() -> None:
    assert relative_error(highest_rate([0.01] * 400, Queue(), 0.1, 99), [0.01] * 400, Queue(), 0.1) < 0.01
    assert relative_error(80.0, [0.01] * 9, Queue(), 0.1) == 1.0


@pytest.mark.parametrize(("share", "load", "requests"), [(0.0, 0.5, 300), (0.0, 0.85, 300), (0.05, 0.7, 1000)])
def test_a_level_shows_percentiles_that_differ_from_the_true_ones_by_as_much_as_is_said(
    share: float, load: float, requests: int
) -> None:
    """Of servers alike: each level and the service times known of it are others."""
    rate, percentiles, held = load / float(np.mean(by_chance(100_000, share, 0))), (50, 95, 99), list[bool]()
    true = np.percentile(
        latencies(rate, by_chance(100_000, share, 0), Queue(), requests=1_000_000, seed=1), percentiles
    )
    for seed in range(1, 41):
        shown = latencies(rate, by_chance(requests, share, seed), Queue(), requests=requests, seed=1000 + seed)
        said = seen_of_true(percentiles, rate, by_chance(1500, share, 100 + seed), Queue(), requests)
        parts = np.percentile(shown, percentiles) / true
        held += [least <= part <= most for part, (least, most) in zip(parts, said, strict=True)]
    assert float(np.mean(held)) >= 0.8


def test_the_longer_the_level_the_closer_its_percentiles() -> None:
    def wide(requests: int) -> float:
        ((least, most),) = seen_of_true([99], 150.0, by_chance(1500, 0.02, 1), Queue(), requests)
        return most / least

    assert wide(10_000) < wide(1000) < wide(200)
