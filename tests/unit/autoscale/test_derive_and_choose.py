from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.autoscale.choose import choose
from seatrial.autoscale.derive import REACHABLE, TAU, derive, floor_two_digits
from seatrial.errors import Refused
from seatrial.profiling.cell import Cell


def cell(
    name: str = "cpu-1x1", *, price: float = 1.0, lam: float = 100.0, started_in_s: float = 2.0, **of: Any
) -> Cell:
    capacity = {
        "feasible": True,
        "method": "model",
        "mu": lam * 1.2,
        "lambda_max": lam,
        "lambda_low": lam * 0.95,
        "lambda_high": lam * 1.05,
        "verified_at": lam * 0.95,
        "p50_ms": 10,
        "p95_ms": 20,
        "p99_ms": 30,
        "idle_p50_ms": 8,
        "cpu_cores_mean": 1,
        "cpu_cores_peak": 1,
        "memory_mb_peak": 100,
        "seed": 1,
        "seconds": 9,
        **of,
    }
    return Cell.model_validate(
        {
            "key": f"pitch@1/{name}",
            "model": "pitch",
            "version": 1,
            "model_id": 7,
            "tree_digest": "0" * 64,
            "option": {"name": name, "price": price},
            "objective": {"percentile": 99, "latency_ms": 100},
            "capacity": capacity,
            "machine": "a machine",
            "shared_cores": False,
            "started_in_s": started_in_s,
            "at_ms": 0,
        }
    )


@given(st.floats(0.1, 1e5), st.floats(0, 600), st.floats(0, 0.01))
def test_the_target_leaves_room_for_growth_until_help_is_there(lam: float, start: float, growth: float) -> None:
    policy = derive(cell(lam=lam, started_in_s=start), now_ms=0, growth_per_s=growth)
    assert 0.30 <= policy.ratio <= 0.85
    assert 0 < policy.target_per_replica <= policy.ratio * 0.95 * lam * (1 + 1e-9)
    assert policy.target_per_replica * (1 + TAU) <= REACHABLE * policy.mu


@given(st.floats(1, 300), st.floats(1.1, 10))
def test_a_slower_start_never_raises_the_target(start: float, factor: float) -> None:
    slow, fast = derive(cell(started_in_s=start * factor), now_ms=0), derive(cell(started_in_s=start), now_ms=0)
    assert slow.ratio <= fast.ratio


def test_a_target_that_can_never_be_exceeded_is_refused_with_the_arithmetic() -> None:
    with pytest.raises(Refused, match=r"above 0\.97 · mu = 58"):
        derive(cell(mu=60.0, lambda_low=100.0), now_ms=0)


def test_an_infeasible_cell_gives_no_policy() -> None:
    with pytest.raises(Refused, match="too slow"):
        derive(cell(feasible=False, method="infeasible", notes=("too slow",)), now_ms=0)


@given(st.floats(0.01, 1e6))
def test_two_digits_are_never_above_and_close(value: float) -> None:
    assert value * 0.9 <= floor_two_digits(value) <= value * (1 + 1e-9)


@pytest.mark.parametrize(
    ("cells", "chosen"),
    [
        ([cell("a", price=1, lam=100), cell("b", price=2, lam=150)], "a"),
        ([cell("a", price=1, lam=100), cell("b", price=2, lam=300)], "b"),
        ([cell("a", price=1, lam=100, p99_ms=50), cell("b", price=1, lam=99, p99_ms=40)], "b"),
        ([cell("a", feasible=False, method="infeasible"), cell("b", price=9)], "b"),
        ([cell("a", lam=120), cell("b", lam=100, verified_s=40), cell("c", lam=90, verified_s=40)], "b"),
    ],
)
def test_the_cheapest_that_will_do_is_chosen(cells: list[Cell], chosen: str) -> None:
    choice = choose(cells)
    assert choice.cell.option.name == chosen
    assert chosen in choice.sentence


def test_what_was_only_surveyed_is_in_the_table_and_never_chosen() -> None:
    surveyed = [cell(name, lam=900, method="survey") for name in "ab"]
    choice = choose([cell("a")], surveyed)
    assert choice.cell.option.name == "a"
    assert [(row.option, row.method, row.p99_ms) for row in choice.table] == [("b", "survey", None), ("a", "model", 30)]


def test_a_choice_that_no_long_level_shows_says_what_they_did_show() -> None:
    none_held = cell(
        "b", feasible=False, method="infeasible", lam=0.0, verified_s=40, notes=("no level of 40 s down to 61 kept it",)
    )
    said = choose([cell("a"), none_held]).sentence
    assert said.endswith("short levels alone show that, long ones kept nothing: b: no level of 40 s down to 61 kept it")
    for proven in ([cell("a", verified_s=40), none_held], [cell("a")]):
        assert "short levels" not in choose(proven).sentence


def test_nothing_feasible_is_refused_with_each_reason() -> None:
    """Of a large matrix nothing is measured where the survey found every option too slow."""
    slow, slower = (
        cell(name, feasible=False, method="infeasible", lambda_max=0.0, notes=(f"idle p50 {ms} ms",))
        for name, ms in (("a", 200), ("b", 300))
    )
    with pytest.raises(Refused, match="a: idle p50 200 ms; b: idle p50 300 ms"):
        choose([], [slow, slower])
    with pytest.raises(Refused, match="a: idle p50 200 ms; b: idle p50 300 ms; c: only surveyed"):
        choose([slow], [slow, slower, cell("c", method="survey")])
    with pytest.raises(Refused, match="none measured"):
        choose([])
