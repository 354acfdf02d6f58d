"""What a model does that its capacity does not show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.profiling.behaviour import (
    GROWTH_MB,
    GROWTH_SHARE,
    SLOW,
    Seen,
    failures,
    findings,
    growth,
    instant,
    slow_ones,
    slowing,
)
from seatrial.profiling.cell import Kind
from seatrial.profiling.gauges import Curve
from tests.unit.profiling.test_quiet import gauges

MODES = st.floats(0.001, 1)


def seen(kind: Kind = "level", **of: Any) -> Seen:
    plain: dict[str, Any] = {"requests": 100, "failed": 0, "reason": "", "services_s": [], "gauges": gauges()}
    return Seen(kind, **{**plain, **of})


def noisy(median_s: float, count: int, seed: int, by: float = 0.3) -> list[float]:
    return list(np.random.default_rng(seed).uniform((1 - by) * median_s, (1 + by) * median_s, count))


def test_failed_requests_are_counted_with_the_first_reason() -> None:
    found = failures([seen("idle"), seen(failed=1, reason="no memory"), seen(failed=2, reason="later")])
    assert found == "fails requests: 3 of 300 (1.00%) were answered with an error, the first: no memory"
    assert failures([seen(), seen()]) is None


@given(MODES, st.integers(0, 99))
def test_a_model_that_stops_now_and_then_is_told_with_how_long(median_s: float, seed: int) -> None:
    services_s = noisy(median_s, 2000, seed)
    services_s[::200] = [20 * median_s] * 10
    said = slow_ones(services_s, 10 * median_s)
    assert said is not None
    assert "10 of 2000 (0.5%)" in said
    assert f"took {20_000 * median_s:.1f} ms" in said


@given(MODES, st.integers(0, 99), st.integers(0, 3))
def test_noise_and_a_few_pauses_of_the_machine_are_no_second_mode(median_s: float, seed: int, pauses: int) -> None:
    services_s = noisy(median_s, 2000, seed, by=0.7)
    services_s[:pauses] = [2 * SLOW * median_s] * pauses
    assert slow_ones(services_s, 10 * median_s) is None


def test_what_is_slow_but_far_below_the_limit_is_not_told() -> None:
    services_s = [0.0003] * 199 + [0.003]
    assert slow_ones(services_s * 10, 0.01) is not None
    assert slow_ones(services_s * 10, 0.1) is None


def test_what_half_of_the_requests_take_is_no_exception() -> None:
    assert slow_ones([0.001, 0.02] * 500, 0.1) is None


@given(MODES, st.integers(0, 99), st.floats(1.3, 5))
def test_a_model_that_gets_slower_is_told_and_the_same_times_in_any_order_are_not(
    median_s: float, seed: int, slower: float
) -> None:
    rising = np.asarray(noisy(median_s, 4000, seed, by=0.05)) * np.linspace(1, slower, 4000)
    said = slowing(list(rising))
    assert said is not None
    assert said.startswith("gets slower: a request took")
    assert slowing(list(np.random.default_rng(seed).permutation(rising))) is None


@given(st.floats(50, 5000), st.floats(0.5, 50), st.integers(0, 99))
def test_memory_that_grows_with_the_requests_is_told_and_a_cache_that_fills_is_not(
    mb: float, kb: float, seed: int
) -> None:
    requests = np.linspace(0, 3000 * max(GROWTH_MB, GROWTH_SHARE * mb) / kb, 40)
    noise = np.random.default_rng(seed).normal(0, 0.05, 40)
    said = growth(list(zip(requests, mb + kb * requests / 1000 + noise, strict=True)))
    assert said is not None
    assert float(said.split(", ")[-1].split(" ")[0]) == pytest.approx(kb, rel=0.1)
    filled = mb + 100 * (1 - np.exp(-np.arange(40) / 4)) + noise
    assert growth(list(zip(requests, filled, strict=True))) is None
    assert growth(list(zip(requests, mb + noise, strict=True))) is None


def test_memory_is_looked_at_over_all_windows_without_the_first_half_of_saturation() -> None:
    def window(mb: list[float]) -> Any:
        at_s = tuple(float(n) for n in range(1, len(mb) + 1))
        return gauges().model_copy(update={"seconds": float(len(mb)), "curve": Curve(at_s=at_s, rss_mb=tuple(mb))})

    first = seen("saturation", gauges=window([10, 50, 90, 100, 100, 100]))
    flat, rising = seen(gauges=window([100.0] * 9)), seen(gauges=window([100.0 + 5 * n for n in range(9)]))
    assert findings([first, flat], 0.1, 1) == ()
    (said,) = findings([first, rising], 0.1, 1)
    assert said.startswith("takes ever more memory: 10")


@pytest.mark.parametrize(
    ("kind", "generator", "server", "told"),
    [
        ("saturation", 0.98, 0.3, True),
        ("saturation", 0.98, 0.95, False),
        ("saturation", 0.5, 0.3, False),
        ("level", 0.98, 0.3, False),
    ],
)
def test_a_generator_that_is_saturated_before_the_server_is_told(
    kind: Kind, generator: float, server: float, told: bool
) -> None:
    at = gauges().model_copy(
        update={
            **{"generator_user_cores": generator, "generator_system_cores": 0.0},
            **{"server_user_cores": server, "server_system_cores": 0.0},
        }
    )
    assert (instant([seen(kind, gauges=at)], 1) is not None) == told


def test_a_new_sentence_of_a_rule_replaces_its_old_one() -> None:
    before = ("fails requests: 1 of 10", "gets slower: much")
    assert findings([seen(failed=5, reason="no")], 0.1, 1, before) == (
        "fails requests: 5 of 100 (5.00%) were answered with an error, the first: no",
        "gets slower: much",
    )
