"""Differences counted by size."""

from __future__ import annotations

import math

import pytest

from seatrial.shadow.differences import BINS, Differences, bin_of


@pytest.mark.parametrize(
    ("difference", "place"),
    [(0.0, 0), (1e-30, 1), (1e-9, 2), (9.9e-10, 1), (1e-8, 4), (5.0, BINS - 2), (1e9, BINS - 1), (math.inf, BINS - 1)],
)
def test_each_half_decade_has_its_place(difference: float, place: int) -> None:
    assert bin_of(difference) == place


def test_own_and_stagings_are_counted_apart() -> None:
    found = Differences().with_own(0.0).with_staging(0.0).with_staging(math.nan)
    assert (sum(found.own), sum(found.staging), found.staging[0], found.staging[-1]) == (1, 2, 1, 1)
