"""What is not measured could not have won."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.matrix_stages import staged
from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Cell
from seatrial.profiling.matrix import MatrixEntry, expand, in_order
from seatrial.profiling.pruning import (
    FINALISTS,
    QUICKER,
    SPARE,
    Surveyed,
    dominates,
    next_to_measure,
    next_to_verify,
    places,
    why_not_survey,
)
from tests.unit.autoscale.test_derive_and_choose import cell

OPTIONS = in_order(
    expand(
        MatrixEntry.model_validate(
            {"matrix": "m", "cores": [1, 2, 4], "threads": [1, 2], "instances": [1, 2], "max_batch": [1, 8]}
        )
    )
)


@st.composite
def surfaces(draw: st.DrawFn) -> dict[str, tuple[float, float]]:
    """mu and lambda_max of each option as the bounds allow: one with less of everything is at most 4 % quicker, and
    lambda_max is between 0.60 and 0.95 of mu."""
    found: dict[str, tuple[float, float]] = {}
    for option in OPTIONS:
        above = [found[other.name][0] for other in OPTIONS if other.name in found and dominates(other, option)]
        mu = min([QUICKER * m for m in above], default=1000.0) * draw(st.floats(0.2, 1.0))
        found[option.name] = (mu, mu * draw(st.floats(0.60, 0.95)))
    return found


def survey(surface: dict[str, tuple[float, float]]) -> list[Surveyed]:
    """Stage A over the surface; the estimate is right."""
    found: list[Surveyed] = []
    for option in OPTIONS:
        if why_not_survey(option, found) is None:
            found.append(Surveyed(option, *surface[option.name]))
    return found


def price(option: HardwareOption, surface: dict[str, tuple[float, float]]) -> float:
    return option.price / surface[option.name][1]


@given(surfaces())
def test_the_survey_never_skips_what_the_bounds_say_may_win(surface: dict[str, tuple[float, float]]) -> None:
    cheapest = min(OPTIONS, key=lambda option: price(option, surface))
    best = price(cheapest, surface)
    assert any(price(found.option, surface) <= best * (1 + 1e-9) for found in survey(surface))


def measure(surface: dict[str, tuple[float, float]], failing: frozenset[str] = frozenset()) -> list[str]:
    """Stage B over the surface, with the names in the order of measuring."""
    cells: list[Cell] = []
    surveyed, tried = survey(surface), []
    for place in range(places(len(OPTIONS))):
        option = next_to_measure(surveyed, cells, place)
        if option is not None:
            tried.append(option.name)
            mu, rate = surface[option.name]
            if option.name not in failing:
                cells.append(cell(option.name, price=option.price, mu=mu, lam=rate))
    return tried


@given(surfaces())
def test_the_cheapest_of_all_is_measured_unless_the_places_are_taken(surface: dict[str, tuple[float, float]]) -> None:
    measured = measure(surface)
    assert len(set(measured)) == len(measured) <= places(len(OPTIONS))
    best = min(price(option, surface) for option in OPTIONS)
    found = min(price(option, surface) for option in OPTIONS if option.name in measured)
    assert found <= best * (1 + 1e-9) or len(measured) == places(len(OPTIONS))


@given(surfaces())
def test_the_most_promising_is_measured_first(surface: dict[str, tuple[float, float]]) -> None:
    hopes = {found.option.name: found.option.price / found.at_best for found in survey(surface)}
    measured = [hopes[name] for name in measure(surface)]
    assert measured == sorted(measured)
    assert measured[0] == min(hopes.values())


@given(surfaces())
def test_one_that_fails_loses_no_other(surface: dict[str, tuple[float, float]]) -> None:
    first = measure(surface)[0]
    tried = measure(surface, failing=frozenset([first]))
    assert tried[0] == first
    assert len(tried) > 1
    assert first not in tried[1:]


def test_a_skipped_option_is_told_with_the_figures() -> None:
    large, small = HardwareOption(name="large", cores=2, instances=2), HardwareOption(name="small", cores=2)
    fast = Surveyed(HardwareOption(name="fast", precision="bf16"), 100.0, 80.0)
    said = why_not_survey(small, [fast, Surveyed(large, 30.0, 25.0)])
    assert said == (
        "cannot win: large, which has more of everything, saturates at 30.0 requests/s, so this one costs 0.0337 per"
        " request/s or more, and another no more than 0.0167"
    )


def test_what_is_too_slow_when_idle_bounds_nothing_and_is_not_listed() -> None:
    large, small = HardwareOption(name="large", max_batch=64), HardwareOption(name="small")
    surveyed = [Surveyed(large, 0.0, 0.0), Surveyed(HardwareOption(name="fast", precision="bf16"), 100.0, 80.0)]
    assert why_not_survey(small, surveyed) is None
    assert next_to_measure(surveyed, [], 0) == surveyed[1].option
    assert next_to_measure(surveyed, [], 1) is None


def test_a_tight_objective_is_seen_by_the_estimate() -> None:
    """Large batches saturate high and keep no tight objective: by saturation alone the other could not win."""
    batches = Surveyed(HardwareOption(name="batches", max_batch=64), 1000.0, 50.0)
    single = Surveyed(HardwareOption(name="single"), 300.0, 250.0)
    assert why_not_survey(HardwareOption(name="other", precision="bf16"), [batches]) is None
    assert next_to_measure([batches, single], [], 0) == single.option


def none_held(name: str) -> Cell:
    return cell(name, feasible=False, method="infeasible", lam=0.0, verified_s=40)


NONE_HELD = none_held("a")


@pytest.mark.parametrize(
    ("cells", "next_one"),
    [
        ([], None),
        ([cell("a", lam=95), cell("b", lam=100)], "a"),  # the first task failed: its option is passed over
        ([cell("a", lam=95), cell("b", lam=100, verified_s=40)], "a"),
        ([cell("a", lam=50), cell("b", lam=100, verified_s=40)], None),
        ([cell("a", lam=90, verified_s=40), cell("b", lam=100, verified_s=40)], None),
        ([cell("a", lam=99), cell("b", lam=98, verified_s=40), cell("c", lam=98, verified_s=40)], "a"),
        ([cell("a", lam=80), cell("b", lam=98, verified_s=40), cell("c", lam=98, verified_s=40)], None),
        ([cell("a", feasible=False, method="infeasible", lam=0.0)], None),
        ([NONE_HELD, cell("b", lam=100), cell("c", lam=95)], "b"),
        ([NONE_HELD, cell("b", lam=100, verified_s=40), cell("c", lam=90)], None),
    ],
)
def test_a_long_level_is_for_the_cheapest_that_can_still_win(cells: list[Any], next_one: str | None) -> None:
    assert verified_next(cells, place=1) == next_one


def verified_next(cells: Sequence[Cell], place: int, surveyed: Sequence[Surveyed] = ()) -> str | None:
    found = next_to_verify(surveyed, cells, place)
    return found.name if found else None


def test_the_first_long_level_is_for_the_cheapest() -> None:
    assert verified_next([cell("a", lam=95), cell("b", lam=100)], place=0) == "b"


@pytest.mark.parametrize(
    ("cells", "next_one"),
    [
        ([NONE_HELD, none_held("b"), cell("c", lam=90), cell("d", lam=95)], "d"),
        ([NONE_HELD, none_held("b"), none_held("d"), cell("c", lam=90)], "c"),
        ([NONE_HELD, none_held("b")], None),
        ([NONE_HELD, cell("b", lam=50, verified_s=40), cell("c", lam=90)], None),
    ],
)
def test_more_options_get_a_long_level_while_none_has_kept_one(cells: list[Any], next_one: str | None) -> None:
    assert verified_next(cells, place=2) == next_one


def test_where_all_that_was_measured_kept_no_long_level_one_that_was_only_surveyed_is_next() -> None:
    surveyed = [Surveyed.of(cell(name, lam=lam, method="survey")) for name, lam in (("a", 100), ("b", 90), ("c", 80))]
    assert verified_next([NONE_HELD], 1, surveyed) == "b"
    assert verified_next([NONE_HELD, none_held("b")], 2, surveyed) == "c"
    assert verified_next([NONE_HELD, cell("b", lam=20, verified_s=40)], 2, surveyed) is None


@given(surfaces(), st.sets(st.sampled_from([option.name for option in OPTIONS])))
def test_no_unverified_option_is_chosen_while_a_place_is_left_to_verify_it(
    surface: dict[str, tuple[float, float]], holds_none: set[str]
) -> None:
    """Also where long levels keep nothing; each is given one at most."""
    machine = Simulated(surface, holds_none)
    try:
        chosen = staged(OPTIONS, machine).cell
    except Refused:
        assert set(machine.measured) <= set(machine.verified) <= holds_none
        return
    assert len(set(machine.verified)) == len(machine.verified)
    assert chosen.capacity.verified_s or len(machine.verified) == FINALISTS + SPARE
    assert chosen.option.name not in holds_none or not chosen.capacity.verified_s


@dataclass
class Simulated:
    """A surface without noise, on which some options keep no long level."""

    surface: dict[str, tuple[float, float]]
    holds_none: set[str]
    seconds: float = 0.0
    measured: list[str] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)

    def survey(self, option: HardwareOption) -> Cell:
        mu, rate = self.surface[option.name]
        found = cell(option.name, price=option.price, mu=mu, lam=rate, method="survey")
        return found.model_copy(update={"option": option})

    def measure(self, cell: Cell) -> Cell:
        self.measured.append(cell.option.name)
        return cell.model_copy(update={"capacity": cell.capacity.model_copy(update={"method": "model"})})

    def verify(self, cell: Cell) -> Cell:
        self.verified.append(cell.option.name)
        found = none_held(cell.option.name) if cell.option.name in self.holds_none else cell
        capacity = found.capacity.model_copy(update={"verified_s": 40.0})
        return cell.model_copy(update={"capacity": capacity})
