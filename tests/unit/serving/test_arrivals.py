from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.serving.arrivals import LOST_S, WINDOW_S, Arrivals

COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=60)


def after(counts: list[int], every_s: float = 1.0) -> Arrivals:
    """Arrivals after one look every so many seconds: how many requests had come since the one before."""
    arrivals, arrived = Arrivals(), 0
    for number, count in enumerate(counts):
        arrived += count
        arrivals = arrivals.seen(arrived, number * every_s)
    return arrivals


@given(st.integers(0, 1000), st.integers(11, 60))
def test_a_steady_load_is_told_as_it_is(rate: int, seconds: int) -> None:
    assert after([rate] * (seconds + 1)).per_s(seconds) == pytest.approx(rate)


def test_a_load_that_has_grown_is_told_in_full_after_the_window() -> None:
    assert after([1] * 100 + [50] * int(WINDOW_S)).per_s(99.0 + WINDOW_S) == pytest.approx(50.0)


@given(COUNTS)
def test_no_load_is_told_of_less_than_the_window_nor_of_a_server_that_was_lost(counts: list[int]) -> None:
    arrivals, last = after(counts), float(len(counts) - 1)
    assert (arrivals.per_s(last) is None) == (last < WINDOW_S)
    assert arrivals.per_s(last + LOST_S + 0.1) is None


@given(COUNTS)
def test_a_load_is_between_the_least_and_the_most_of_its_seconds_and_little_is_kept(counts: list[int]) -> None:
    arrivals = after(counts)
    found = arrivals.per_s(float(len(counts) - 1))
    assert found is None or min(counts) <= found <= max(counts)
    assert len(arrivals.looks) <= WINDOW_S + 1


def test_what_is_given_up_before_it_was_answered_is_no_negative_load() -> None:
    arrivals = Arrivals().seen(40, 0.0).seen(30, WINDOW_S)
    assert arrivals.per_s(WINDOW_S) == 0.0
