from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.client.balancer import Balancer
from seatrial.client.health import ANSWER_S, IN_A_ROW, PAUSES_S, SHED_S, Outcome
from seatrial.client.routes import Endpoint

ENDPOINTS = tuple(Endpoint(f"127.0.0.1:{port}", 1.0) for port in range(4001, 4004))
WEIGHTS = st.lists(st.floats(0.5, 20.0), min_size=1, max_size=8)


def _fail(balancer: Balancer, endpoint: Endpoint, now: float) -> None:
    balancer.done(endpoint.address, now, Outcome.UNREACHABLE, 0.001)


def _shares(
    weights: list[float], service_s: Callable[[int, float], float], *, rate: float, seconds: float, since: float = 0.0
) -> list[float]:
    """Each server's share of an open loop's traffic after `since`. A server has as many workers as its weight says."""
    balancer, randomly = Balancer(seed=2), random.Random(3)
    endpoints = [Endpoint(str(i), weight) for i, weight in enumerate(weights)]
    free = [[0.0] * int(weight) for weight in weights]
    ending: list[tuple[float, int, float]] = []
    found: Counter[int] = Counter()
    now = 0.0
    while now < seconds:
        now += randomly.expovariate(rate)
        while ending and ending[0][0] <= now:
            at, server, began = heapq.heappop(ending)
            balancer.done(str(server), at, Outcome.ANSWERED, at - began)
        server = int(balancer.pick(endpoints, now).address)
        found[server] += now >= since
        ends = max(now, heapq.heappop(free[server])) + randomly.expovariate(1 / service_s(server, now))
        heapq.heappush(free[server], ends)
        heapq.heappush(ending, (ends, server, now))
    return [found[server] / found.total() for server in range(len(weights))]


@pytest.mark.parametrize("load", [0.05, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [3.0, 1.0, 1.0], [4.0, 2.0]])
def test_a_servers_share_is_its_weights_at_any_load(weights: list[float], load: float) -> None:
    found = _shares(weights, lambda _, __: 0.05, rate=load * sum(weights) / 0.05, seconds=400 / (load * sum(weights)))
    assert found == pytest.approx([weight / sum(weights) for weight in weights], abs=0.05)


def test_a_server_that_becomes_ten_times_slower_loses_its_traffic_within_seconds() -> None:
    def service_s(server: int, now: float) -> float:
        return 0.1 if server == 0 and now >= 30 else 0.01

    found = _shares([1.0, 1.0, 1.0], service_s, rate=100, seconds=60, since=32)
    assert found[0] < 0.05


def test_a_server_that_was_slow_has_its_share_again_within_seconds() -> None:
    def service_s(server: int, now: float) -> float:
        return 0.1 if server == 0 and now < 30 else 0.01

    found = _shares([1.0, 1.0, 1.0], service_s, rate=100, seconds=120, since=50)
    assert found[0] == pytest.approx(1 / 3, abs=0.05)


@given(WEIGHTS, st.integers(0, 2**16))
def test_no_server_starves(weights: list[float], seed: int) -> None:
    balancer, endpoints = Balancer(seed), [Endpoint(str(i), weight) for i, weight in enumerate(weights)]
    found = {balancer.pick(endpoints, 0.0).address for _ in range(int(20 * sum(weights) / min(weights)))}
    assert found == {endpoint.address for endpoint in endpoints}


@given(
    st.lists(st.tuples(st.sampled_from(ENDPOINTS), st.sampled_from(sorted(Outcome, key=str)), st.floats(0, 30))),
    st.integers(1, 3),
)
def test_somebody_is_always_picked_whatever_happened(
    happened: list[tuple[Endpoint, Outcome, float]], servers: int
) -> None:
    balancer, now = Balancer(seed=1), 0.0
    for endpoint, outcome, seconds in happened:
        now += seconds
        balancer.done(endpoint.address, now, outcome, seconds)
    assert balancer.pick(ENDPOINTS[:servers], now) in ENDPOINTS[:servers]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(sorted(Outcome, key=str))), max_size=200))
def test_what_is_outstanding_is_what_was_picked_and_has_not_ended(steps: list[tuple[int, Outcome]]) -> None:
    under_way: list[str] = []
    balancer, now = Balancer(seed=1), 0.0
    for choice, outcome in steps:
        now += 0.1
        if choice or not under_way:
            under_way.append(balancer.pick(ENDPOINTS, now).address)
        else:
            balancer.done(under_way.pop(), now, outcome, 0.1)
    found = {state.address: state.outstanding for state in balancer.states(ENDPOINTS)}
    assert found == {endpoint.address: under_way.count(endpoint.address) for endpoint in ENDPOINTS}


def test_a_server_that_failed_is_left_out_until_it_says_that_it_is_ready() -> None:
    balancer, gone = Balancer(seed=1), ENDPOINTS[0]
    _fail(balancer, gone, 0.0)
    assert all(balancer.pick(ENDPOINTS, 100.0) != gone for _ in range(50))
    assert balancer.due(ENDPOINTS, 100.0) == [gone]
    balancer.ready(gone.address, 100.0, answer=True)
    assert any(balancer.pick(ENDPOINTS, 100.0) == gone for _ in range(50))


def test_the_pauses_between_questions_grow() -> None:
    balancer, gone, now, asked = Balancer(seed=1), ENDPOINTS[0], 0.0, []
    _fail(balancer, gone, now)
    for pause in (*PAUSES_S, PAUSES_S[-1]):
        assert balancer.due(ENDPOINTS, now + pause - 0.01) == []
        now += pause
        asked += balancer.due(ENDPOINTS, now)
        balancer.ready(gone.address, now, answer=False)
    assert asked == [gone] * (len(PAUSES_S) + 1)


def test_a_server_is_asked_once_at_a_time_and_again_when_nothing_was_said() -> None:
    balancer, gone = Balancer(seed=1), ENDPOINTS[0]
    _fail(balancer, gone, 0.0)
    assert balancer.due(ENDPOINTS, 1.0) == [gone]
    assert balancer.due(ENDPOINTS, 1.0) == []
    assert balancer.due(ENDPOINTS, 1.0 + ANSWER_S) == [gone]


def test_a_server_that_was_tried_is_avoided_while_there_is_another() -> None:
    balancer = Balancer(seed=1)
    tried = [endpoint.address for endpoint in ENDPOINTS[:2]]
    assert all(balancer.pick(ENDPOINTS, 0.0, avoid=tried) == ENDPOINTS[2] for _ in range(20))
    assert balancer.pick(ENDPOINTS[:1], 0.0, avoid=tried) == ENDPOINTS[0]


def test_a_death_that_fails_many_calls_counts_once() -> None:
    balancer, gone = Balancer(seed=1), ENDPOINTS[0]
    for _ in range(20):
        _fail(balancer, gone, 0.0)
    assert balancer.due(ENDPOINTS, PAUSES_S[0]) == [gone]


def test_a_server_that_comes_back_gets_one_request_until_it_answers() -> None:
    balancer, back = Balancer(seed=1), ENDPOINTS[0]
    _fail(balancer, back, 0.0)
    balancer.due(ENDPOINTS, 1.0)
    balancer.ready(back.address, 1.0, answer=True)
    assert [balancer.pick(ENDPOINTS, 1.0) for _ in range(50)].count(back) == 1
    balancer.done(back.address, 1.0, Outcome.ANSWERED, 0.01)
    assert [balancer.pick(ENDPOINTS, 1.0) for _ in range(50)].count(back) > 1


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.LATE])
def test_failures_in_a_row_and_nothing_less_put_a_server_out(outcome: Outcome) -> None:
    balancer, bad = Balancer(seed=1), ENDPOINTS[0]
    for _ in range(IN_A_ROW - 1):
        balancer.done(bad.address, 0.0, outcome, 0.01)
    balancer.done(bad.address, 0.0, Outcome.ANSWERED, 0.01)
    balancer.done(bad.address, 0.0, outcome, 0.01)
    assert balancer.due(ENDPOINTS, 100.0) == []
    for _ in range(IN_A_ROW):
        balancer.done(bad.address, 0.0, outcome, 0.01)
    assert balancer.due(ENDPOINTS, 100.0) == [bad]


def test_a_server_that_sheds_load_draws_no_traffic_by_answering_fast() -> None:
    balancer, full = Balancer(seed=1), ENDPOINTS[0]
    balancer.done(full.address, 0.0, Outcome.SHED, 0.0001)
    assert all(balancer.pick(ENDPOINTS, SHED_S / 2) != full for _ in range(50))
    assert any(balancer.pick(ENDPOINTS, SHED_S) == full for _ in range(50))


def test_addresses_that_went_away_are_forgotten_when_their_last_request_has_ended() -> None:
    balancer, gone = Balancer(seed=1), ENDPOINTS[0]
    balancer.pick([gone], 0.0)
    _fail(balancer, ENDPOINTS[1], 0.0)
    assert balancer.keep([ENDPOINTS[2].address]) == [ENDPOINTS[1].address]
    balancer.done(gone.address, 0.0, Outcome.ANSWERED, 0.01)
    assert balancer.keep([ENDPOINTS[2].address]) == [gone.address]
