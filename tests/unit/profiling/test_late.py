"""Late requests: counted in bursts, and too many only beyond what chance does."""

from __future__ import annotations

from math import comb

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seatrial.profiling.late import CHANCE, bursts, too_many

moments = st.lists(st.floats(0, 60, allow_nan=False), max_size=40).map(lambda values: np.array(values))


def test_requests_sent_closer_than_the_objective_are_one_burst() -> None:
    assert bursts(np.array([3.0, 1.0, 1.05, 1.1, 3.2]), 0.1) == 3
    assert bursts(np.array([]), 0.1) == 0


@given(moments, st.floats(0.01, 5), st.floats(0.01, 5), st.randoms(use_true_random=False))
def test_bursts_do_not_depend_on_the_order_and_grow_rarer_with_the_distance(
    sent: np.ndarray, one: float, other: float, random: object
) -> None:
    shuffled = list(sent)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    near, far = sorted((one, other))
    assert bursts(sent, near) == bursts(np.array(shuffled), near)
    assert min(1, len(sent)) <= bursts(sent, far) <= bursts(sent, near) <= len(sent)


def test_one_burst_proves_less_than_as_many_late_ones_by_themselves() -> None:
    assert not too_many(late=6, groups=1, sent=278, allowed=0.01)
    assert too_many(late=6, groups=6, sent=278, allowed=0.01)


def test_a_queue_that_only_grows_is_one_long_burst_and_still_proof() -> None:
    assert too_many(late=150, groups=1, sent=300, allowed=0.01)


@given(st.integers(0, 500), st.integers(1, 500), st.integers(1, 5000), st.floats(0.001, 0.2))
def test_no_more_than_allowed_is_never_too_many(late: int, groups: int, sent: int, allowed: float) -> None:
    if late <= allowed * sent:
        assert not too_many(late, min(groups, late), sent, allowed)


@given(st.integers(1, 60), st.integers(1, 400), st.floats(0.001, 0.2))
def test_the_test_is_the_exact_binomial_one(late: int, more: int, allowed: float) -> None:
    sent = late + more
    chance = sum(comb(sent, k) * allowed**k * (1 - allowed) ** (sent - k) for k in range(late, sent + 1))
    if late > allowed * sent and abs(chance - CHANCE) > 1e-9:
        assert too_many(late, late, sent, allowed) == (chance < CHANCE)
