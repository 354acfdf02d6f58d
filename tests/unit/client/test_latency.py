from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from seatrial.client.latency import NOTICED, Latency, slowdown

SECONDS = st.floats(0.0, 1e300)


@given(SECONDS, SECONDS, st.floats(1e-6, 1e6))
@example(5e-324, 1e300, 1.0)
def test_of_any_two_servers_at_most_one_is_slower_by_what_is_noticed(one: float, other: float, weights: float) -> None:
    first, second = Latency(), Latency()
    first.add(one, 0.0)
    second.add(other, 0.0)
    factor, back = slowdown(first, second, weights, 0.0), slowdown(second, first, 1 / weights, 0.0)
    assert factor == 1.0 or factor > NOTICED or factor < 1 / NOTICED
    assert not (factor > 1.0 and back > 1.0)
