"""The capacity search against servers that are known, on simulated levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.profiling.observed import service_times
from seatrial.profiling.queue import Queue
from seatrial.profiling.queue_model import highest_rate, latencies
from seatrial.profiling.search import AGREES, LOWEST, NEXT_TO, Search

LIMIT_S, ALLOWED = 0.15, 0.01


def _simulated(services_s: list[float], rate: float, seed: int, requests: int = 250) -> tuple[list[float], bool]:
    """Service times and verdict of one level of a server with one instance."""
    arrivals = np.cumsum(np.random.default_rng(seed).exponential(1.0, requests)) / rate
    found = latencies(rate, services_s, Queue(), requests=requests, seed=seed)
    return service_times(arrivals, found, Queue()), float(np.mean(found > LIMIT_S)) <= 1.5 * ALLOWED


def _run(services_s: list[float], seed: int) -> tuple[Search, int]:
    search = Search(1 / float(np.mean(services_s)), Queue(), LIMIT_S, 100 * (1 - ALLOWED))
    search.learn(list(np.random.default_rng(seed).choice(services_s, 130)))
    levels = 0
    while search.method is None:
        rate = search.next_rate()
        seen, held = _simulated(services_s, rate, seed + 1000 * levels)
        search.learn(seen)
        search.decide(rate, held=held)
        levels += 1
    return search, levels


def test_a_steady_server_is_known_within_a_tenth_after_two_levels() -> None:
    services = list(0.038 * np.random.default_rng(1).lognormal(0, 0.12, 20_000))
    known = Search(1 / float(np.mean(services)), Queue(), LIMIT_S, 99)
    known.learn(services)
    runs = [_run(services, seed) for seed in range(20)]
    answers = np.array([search.answer for search, _ in runs]) / known.predicted
    assert np.mean(np.abs(answers - 1) < 0.1) >= 0.9
    assert np.median([levels for _, levels in runs]) <= 2


@pytest.fixture(scope="module")
def pauses() -> tuple[list[float], float]:
    """Service times of a server that pauses now and then, and the rate that all of them together say."""
    random = np.random.default_rng(2)
    services = 0.038 * random.lognormal(0, 0.12, 20_000)
    services[random.random(20_000) < 0.02] += 0.05
    return list(services), highest_rate(list(services), Queue(), LIMIT_S, 99)


def test_a_server_that_pauses_now_and_then_is_known_too(pauses: tuple[list[float], float]) -> None:
    services, truth = pauses
    answers = [_run(services, seed)[0].answer / truth for seed in range(20)]
    assert 0.9 < np.median(answers) < 1.1
    assert np.mean(np.abs(np.array(answers) - 1) < 0.25) >= 0.9


def test_levels_decide_against_a_model_that_promises_too_much() -> None:
    search = Search(100.0, Queue(), LIMIT_S, 99)
    search.learn([0.01] * 100)
    assert search.predicted > 80
    while search.method is None:
        rate = search.next_rate()
        search.decide(rate, held=rate < 40)
    assert search.method == "live"
    assert 40 / NEXT_TO <= search.answer < 40


def test_a_server_that_never_keeps_the_objective_is_infeasible_after_a_few_levels() -> None:
    search = Search(100.0, Queue(), LIMIT_S, 99)
    search.learn([0.2] * 100)
    tried = []
    while search.method is None:
        tried.append(search.next_rate())
        search.decide(tried[-1], held=False)
    assert search.method == "infeasible"
    assert search.answer == 0
    assert min(tried) == pytest.approx(LOWEST * 100)
    assert len(tried) <= 8


@settings(max_examples=60, deadline=None)
@given(st.floats(1, 1000), st.floats(0.0, 1.2), st.floats(0.05, 1.0))
def test_every_search_ends_between_what_held_and_what_did_not(mu: float, promised: float, true: float) -> None:
    search = Search(mu, Queue(), LIMIT_S, 99)
    search.predicted = promised * mu
    for _ in range(40):
        if search.method is not None:
            break
        rate = search.next_rate()
        assert search.low < rate < search.high
        search.decide(rate, held=rate <= true * mu)
    assert search.method is not None
    assert search.low <= search.answer <= search.low * AGREES


def test_a_model_that_was_wrong_above_is_not_believed_far_below() -> None:
    search = Search(100, Queue(), LIMIT_S, 99)
    search.predicted = 99.0
    search.decide(search.next_rate(), held=False)
    search.predicted = 20.0  # it learned from an overload
    search.decide(search.next_rate(), held=True)
    assert search.method is None
    assert search.low < search.next_rate() < search.high


def test_the_interval_holds_the_truth_of_a_server_that_pauses_by_chance(pauses: tuple[list[float], float]) -> None:
    services, truth = pauses
    intervals = [_run(services, seed)[0].interval() for seed in range(20)]
    assert np.mean([low <= truth <= high for low, high in intervals]) >= 0.8


def test_two_searches_of_a_machine_that_became_a_tenth_slower_do_not_contradict_each_other() -> None:
    def interval(service_s: float) -> tuple[float, float]:
        search = Search(1 / service_s, Queue(), LIMIT_S, 99)
        search.learn([service_s] * 100)
        search.decide(search.next_rate(), held=True)
        return search.interval()

    (low, high), (low_slower, high_slower) = interval(0.01), interval(0.011)
    assert low_slower < low < high_slower < high


def test_the_levels_own_interval_is_between_what_held_and_what_did_not() -> None:
    search = Search(100.0, Queue(), LIMIT_S, 99)
    search.learn([0.01] * 100)
    while search.method is None:
        rate = search.next_rate()
        search.decide(rate, held=rate < 40)
    assert search.interval() == (search.low, search.high)
    assert search.low < 40 <= search.high


def test_what_no_level_has_shown_is_less_sure() -> None:
    search = Search(100.0, Queue(), LIMIT_S, 99)
    search.learn([0.01] * 100)
    low, high = search.interval_unseen()
    assert low < search.expected < high <= search.mu
    search.decide(search.next_rate(), held=True)
    assert low < search.interval()[0] < search.interval()[1] <= high
