"""Queues and service times are found again behind simulated answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.client.answers import ModelStatistics
from seatrial.profiling.observed import in_batches, one_by_one, service_times, under_load
from seatrial.profiling.queue import Queue
from seatrial.profiling.queue_model import highest_rate, latencies


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.001, 0.1), min_size=1, max_size=30), st.integers(1, 4), st.floats(0.1, 1.5), st.floats(0, 1)
)
def test_service_times_are_found_again_behind_the_waiting(
    services: list[float], instances: int, load: float, floor_s: float
) -> None:
    rate = load * instances / float(np.mean(services))
    arrivals = np.cumsum(np.random.default_rng(3).exponential(1.0, 200)) / rate
    queue = Queue(instances=instances, floor_s=floor_s)
    found = service_times(arrivals, latencies(rate, services, queue, requests=200, seed=3), queue)
    assert all(min(abs(one - known) for known in services) < 1e-6 for one in found)


def test_answers_in_any_order_give_the_service_times_in_the_order_of_sending() -> None:
    sent, latency = np.array([0.0, 1.0, 1.1]), np.array([0.5, 0.4, 0.6])
    order = [2, 0, 1]
    assert service_times(sent[order], latency[order], Queue()) == pytest.approx([0.5, 0.4, 0.3])


def test_what_a_request_takes_longer_without_load_holds_no_worker() -> None:
    """10 ms of work, 2 ms of network: the worker answers 100/s, and a request has 2 ms less for its wait."""
    queue = Queue(floor_s=0.002)
    sent = np.zeros(50)
    found = one_by_one(0.012, sent, np.arange(1, 51) * 0.01 + 0.002, 1)
    assert found.floor_s == pytest.approx(queue.floor_s)
    assert service_times(sent, np.arange(1, 51) * 0.01 + 0.002, queue) == pytest.approx([0.01] * 50)
    assert highest_rate([0.01], queue, 0.052, 99) == highest_rate([0.01], Queue(), 0.05, 99)


def test_a_server_is_never_quicker_without_load_than_its_queue_says() -> None:
    """Instances that share cores: each takes longer while the others work."""
    assert one_by_one(0.005, np.zeros(50), np.arange(1, 51) * 0.01, 1).floor_s == 0


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-4, 0.1), st.floats(0, 1), st.floats(0, 0.01), st.integers(2, 64), st.integers(1, 4))
def test_the_queue_of_a_server_that_batches_is_known_from_what_it_counted(
    service_s: float, each_more: float, floor_s: float, most: int, instances: int
) -> None:
    true = Queue(instances=instances, max_batch=most, each_more=each_more, floor_s=floor_s)
    idle = ModelStatistics(50, 0, 50, 0.0, 50 * 0.9 * service_s)  # computing is nine tenths of an execution
    full = ModelStatistics(100 * most, 0, 100, 0.0, 100 * 0.9 * service_s * true.of_batch(most))
    found = in_batches(floor_s + service_s, true.saturation(service_s), instances, idle, full)
    assert (found.instances, found.max_batch) == (instances, most)
    assert found.each_more == pytest.approx(each_more, abs=1e-6)
    assert found.floor_s == pytest.approx(floor_s, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 50), st.floats(0, 1), st.floats(0, 2), st.floats(1e-4, 1), st.floats(1, 1000), st.integers(1, 100)
)
def test_whatever_a_server_counted_makes_a_queue(
    executions: int, idle_s: float, full_s: float, p50_s: float, mu: float, batch: int
) -> None:
    idle = ModelStatistics(executions, 0, executions, 0.0, idle_s)
    full = ModelStatistics(batch * executions, 0, executions, 0.0, full_s)
    found = in_batches(p50_s, mu, 2, idle, full)
    assert found.max_batch <= batch
    assert found.floor_s <= p50_s


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 16), st.floats(0, 0.5), st.floats(0, 0.01), st.floats(0.1, 2))
def test_the_service_times_of_batches_are_found_again(most: int, each_more: float, floor_s: float, load: float) -> None:
    queue = Queue(max_batch=most, each_more=each_more, floor_s=floor_s, alone_s=0.01)
    services, rate = [0.008, 0.01, 0.012], load * queue.saturation(0.01)
    arrivals = np.cumsum(np.random.default_rng(3).exponential(1.0, 200)) / rate
    found = service_times(arrivals, latencies(rate, services, queue, requests=200, seed=3), queue)
    assert all(min(abs(one - known) for known in services) < 1e-6 for one in found)


def test_who_wakes_a_server_waits_for_that_and_holds_no_worker_meanwhile() -> None:
    sent = np.cumsum(np.random.default_rng(3).exponential(1.0, 400)) / 70
    latency = latencies(70, [0.01], Queue(floor_s=0.001), requests=400, seed=3)
    done = sent + latency
    asleep = np.concatenate([[True], sent[1:] > done[:-1]])
    found = under_load(sent, latency + 0.002 * asleep, Queue(floor_s=0.001))
    assert found.floor_s == pytest.approx(0.003, abs=0.0005)
    assert under_load(sent, latency, Queue(floor_s=0.001)).floor_s == pytest.approx(0.001, abs=1e-6)


def test_a_level_in_which_nobody_waits_does_not_change_the_floor() -> None:
    queue = Queue(floor_s=0.001)
    assert under_load(np.arange(50.0), np.full(50, 0.02), queue) == queue


def test_a_time_too_short_to_be_divided_is_none() -> None:
    idle = ModelStatistics(requests=2, failures=0, executions=2, queue_s=0.0, compute_s=5e-324)
    full = ModelStatistics(requests=4, failures=0, executions=2, queue_s=0.0, compute_s=0.0)
    assert in_batches(1.0, 1.0, 2, idle, full).max_batch == 1
