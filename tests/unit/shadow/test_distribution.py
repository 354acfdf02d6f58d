"""Outputs over many requests: a shift is seen, chance and Production's own noise are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.shadow.distribution import FIRST, Histogram, Spread
from seatrial.shadow.distribution import NO_CHANGE as WARN
from seatrial.uploads.comparison import STABILITY as FAIL

SEEDS = st.integers(0, 2**32 - 1)


def normal(seed: int, mean: float = 0.0, requests: int = 1000) -> Any:
    return np.random.default_rng(seed).normal(mean, 1.0, (requests, 8)).astype(np.float32)


def collected(a: Any, again: Any, b: Any) -> Histogram:
    found = Spread()
    for one, same, other in zip(a, again, b, strict=True):
        found.add({"y": one}, {"y": same}, {"y": other})
    return found.histograms["y"]


@given(SEEDS)
def test_two_samples_of_one_distribution_are_stable(seed: int) -> None:
    a = normal(seed)
    assert collected(a, a, normal(seed + 1)).stability < WARN / 2


@pytest.mark.parametrize(("mean", "least", "most"), [(0.2, 0.0, WARN), (0.4, WARN, FAIL), (1.0, FAIL, 9.0)])
def test_the_index_of_a_shifted_normal_is_its_squared_shift(mean: float, least: float, most: float) -> None:
    """The symmetric Kullback-Leibler divergence of two normals is (shift / sigma)²; bins lose some of it."""
    found = collected(normal(1), normal(1), normal(1) + mean).stability
    assert least <= found <= most
    assert found == pytest.approx(mean**2, abs=0.02 + 0.1 * mean**2)


def test_what_production_does_itself_is_no_shift() -> None:
    assert collected(normal(1), normal(2, 1.0), normal(3, 1.0)).stability < WARN


@given(SEEDS)
def test_distance_is_between_nothing_and_all(seed: int) -> None:
    a = normal(seed)
    assert collected(a, a, a).distance == 0
    assert collected(a, a, a + 100).distance == pytest.approx(1, abs=0.05)
    assert collected(a, a, a + 0.5).distance == pytest.approx(0.197, abs=0.04)  # 2·Φ(0.25) − 1


@pytest.mark.parametrize("by", [-1.0, 1.0])
def test_a_value_that_all_answers_have_is_missed_when_it_changes_either_way(by: float) -> None:
    same = np.zeros((200, 8))
    assert collected(same, same, same).stability == 0
    assert collected(same, same, same + by).stability > FAIL


def test_a_class_that_is_chosen_less_often_is_a_shift() -> None:
    before = np.array([[0.0], [1.0]] * 200)
    now = np.where(np.isin(np.arange(400)[:, None] % 8, (1, 3)), 0.0, before)
    assert WARN < collected(before, before, now).stability < 1


def test_text_and_infinities_are_left_out_and_the_rest_is_not() -> None:
    found = Spread()
    answer = {"text": np.array([b"a"], object), "bad": np.array([np.inf]), "y": np.ones(3)}
    for _ in range(FIRST):
        found.add(answer, answer, answer)
    assert list(found.histograms) == ["y"]


def test_what_was_counted_goes_on_where_it_ended() -> None:
    a, b = normal(1), normal(2, 0.3)
    found = Spread()
    for one, other in zip(a[:400], b[:400], strict=True):
        found.add({"y": one}, {"y": one}, {"y": other})
    later = Spread(
        {layer: Histogram.model_validate_json(kept.model_dump_json()) for layer, kept in found.histograms.items()}
    )
    for one, other in zip(a[400:], b[400:], strict=True):
        later.add({"y": one}, {"y": one}, {"y": other})
    assert later.histograms["y"] == collected(a, a, b)
