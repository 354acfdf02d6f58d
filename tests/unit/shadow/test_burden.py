"""What a comparison may take of Production's time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.shadow.burden import LAST, Burden

BURDEN = Burden(share=0.1, latency_ms=100, percentile=99)


@given(st.lists(st.tuples(st.floats(0.001, 1), st.floats(0, 3)), min_size=1, max_size=20), st.floats(0.01, 1))
def test_production_is_never_asked_for_more_than_its_share(asked: list[tuple[float, float]], share: float) -> None:
    burden = Burden(share, 100, 99)
    busy = elapsed = 0.0
    for busy_s, other_s in asked:
        since_s = busy_s + other_s
        busy, elapsed = busy + busy_s, elapsed + since_s + burden.rest_s(busy_s, since_s)
        assert busy <= share * elapsed * (1 + 1e-9)


@pytest.mark.parametrize(
    ("latencies", "touched"),
    [
        ([50.0] * 100, False),
        ([50.0] * 99 + [150.0], False),
        ([50.0] * 40 + [150.0] * 10, True),
        ([50.0] * 40 + [None] * 10, True),
        ([150.0] * 60 + [50.0] * LAST, False),
        ([150.0] * 3, True),
        ([], False),
    ],
    ids=["quiet", "one late", "many late", "many failed", "late long ago", "late from the start", "nothing sent"],
)
def test_it_stops_when_production_no_longer_keeps_its_promise(latencies: list[float | None], touched: bool) -> None:
    assert bool(BURDEN.touched(latencies)) == touched


def test_the_reason_has_its_figures() -> None:
    assert BURDEN.touched([150.0] * 5 + [1.0] * 5) == (
        "Production answered 5 of its last 10 requests later than the 100 ms it promises"
    )
