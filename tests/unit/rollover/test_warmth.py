from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.rollover.warmth import LEAST, LIMIT, MOST, Round, Warmth, round_is_over, round_of


def seen(*p99_ms: float) -> Warmth:
    return Warmth(replica="tiny-1", rounds=tuple(Round(requests=40, p99_ms=value) for value in p99_ms))


@pytest.mark.parametrize(
    ("rounds", "warm"),
    [
        ((), False),
        ((20.0,), False),  # nothing to compare with
        ((310.0, 27.0), False),  # it was cold: what clients met then is not what stays
        ((310.0, 27.0, 26.0), True),
        ((27.0, 40.5), True),  # 1.5 times
        ((27.0, 41.0), False),
        ((41.0, 27.0), False),  # still getting faster
        ((20.0, 20.0, 35.0), False),  # what was steady is not any more
    ],
)
def test_a_replica_is_warm_when_two_rounds_in_a_row_are_alike(rounds: tuple[float, ...], warm: bool) -> None:
    assert seen(*rounds).warm is warm


def test_the_sentence_has_the_figures() -> None:
    assert seen(310.0, 27.0, 26.0).sentence == (
        "tiny-1: first p99 27.0 ms, then 26.0 ms: 1.04 times (limit 1.5), 120 requests in 3 rounds, "
        "the very first 310.0 ms"
    )
    assert seen(27.0).sentence == "tiny-1: 40 requests, p99 27.0 ms: too few to compare"


@given(st.lists(st.floats(1e-5, 60), min_size=1, max_size=200))
def test_a_round_has_at_least_and_at_most_so_many_requests(latencies_s: list[float]) -> None:
    sent = next((n for n in range(1, len(latencies_s) + 1) if round_is_over(latencies_s[:n])), None)
    if sent is not None:
        assert LEAST <= sent <= MOST
    else:
        assert len(latencies_s) < MOST


@given(st.lists(st.floats(0.1, 1e4), min_size=2, max_size=2))
def test_the_ratio_knows_no_direction(p99_ms: list[float]) -> None:
    there, back = seen(*p99_ms), seen(*p99_ms[::-1])
    assert there.ratio == back.ratio
    assert there.ratio is not None
    assert there.ratio >= 1
    assert there.warm == (there.ratio <= LIMIT)


def test_the_p99_of_a_round_is_in_milliseconds() -> None:
    assert round_of([0.02] * 99 + [0.5]) == Round(requests=100, p99_ms=24.8)
