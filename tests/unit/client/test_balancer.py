from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from seatrial.client.balancer import Balancer
from seatrial.client.routes import Endpoint

ENDPOINTS = tuple(Endpoint(f"127.0.0.1:{port}", 1.0) for port in range(4001, 4004))


def test_every_server_gets_its_share_of_what_is_outstanding() -> None:
    balancer = Balancer(seed=1)
    found = Counter(balancer.pick(ENDPOINTS, 0.0).address for _ in range(300))
    assert set(found) == {endpoint.address for endpoint in ENDPOINTS}
    assert max(found.values()) - min(found.values()) <= 10


def test_weights_are_kept() -> None:
    balancer, uneven = Balancer(seed=1), (Endpoint("big", 3.0), Endpoint("small", 1.0))
    found = Counter(balancer.pick(uneven, 0.0).address for _ in range(400))
    assert 2.8 <= found["big"] / found["small"] <= 3.2


@given(st.lists(st.sampled_from(ENDPOINTS), max_size=20))
def test_somebody_is_always_picked_whoever_failed(failed: list[Endpoint]) -> None:
    balancer = Balancer(seed=1)
    for endpoint in failed:
        balancer.done(endpoint, 0.0, reachable=False)
    assert balancer.pick(ENDPOINTS, 0.0) in ENDPOINTS


def test_a_server_that_failed_is_left_out_and_comes_back() -> None:
    balancer, gone = Balancer(seed=1), ENDPOINTS[0]
    balancer.done(gone, 0.0, reachable=False)
    assert all(balancer.pick(ENDPOINTS, 0.5) != gone for _ in range(50))
    assert any(balancer.pick(ENDPOINTS, 1.5) == gone for _ in range(50))


def test_a_server_that_was_tried_is_avoided_while_there_is_another() -> None:
    balancer = Balancer(seed=1)
    tried = [endpoint.address for endpoint in ENDPOINTS[:2]]
    assert all(balancer.pick(ENDPOINTS, 0.0, avoid=tried) == ENDPOINTS[2] for _ in range(20))
    assert balancer.pick(ENDPOINTS[:1], 0.0, avoid=tried) == ENDPOINTS[0]


def test_a_death_that_fails_many_calls_counts_once() -> None:
    balancer, gone = Balancer(seed=1), ENDPOINTS[0]
    for _ in range(20):
        balancer.done(gone, 0.0, reachable=False)
    assert any(balancer.pick(ENDPOINTS, 1.0) == gone for _ in range(50))


def test_a_server_that_comes_back_gets_one_request_until_it_answers() -> None:
    balancer, back = Balancer(seed=1), ENDPOINTS[0]
    balancer.done(back, 0.0, reachable=False)
    assert [balancer.pick(ENDPOINTS, 1.0) for _ in range(50)].count(back) == 1
    balancer.done(back, 1.0, reachable=True)
    assert any(balancer.pick(ENDPOINTS, 1.0) == back for _ in range(50))
