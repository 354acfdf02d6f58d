"""Measured cells out of a version's evidence."""

from __future__ import annotations

from typing import Any

from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import NotQuiet
from seatrial.profiling.evidence import (
    NOT_QUIET,
    PROFILED,
    SURVEYED,
    for_other_objective,
    newest_cells,
    not_quiet_in,
    offered,
)
from tests.unit.autoscale.test_derive_and_choose import cell


def kept(kind: str, run: str, at_ms: int, document: Any) -> dict[str, Any]:
    return {"kind": kind, "run": run, "at_ms": at_ms, "document": document}


def option(name: str, **of: Any) -> HardwareOption:
    return HardwareOption(name=name, **of)


OFFERED = [option(name, cores=cores) for cores, name in enumerate("abcd", start=1)]


def document(name: str, lam: float = 100.0) -> dict[str, Any]:
    of = next(one for one in OFFERED if one.name == name)
    return cell(name, lam=lam).model_copy(update={"option": of}).model_dump(mode="json")


def test_of_each_option_the_newest_measurement_counts_whichever_run_made_it() -> None:
    """A weekly run measures one option, and a run may end half-way."""
    evidence = [
        kept(PROFILED, "first", 1, document("a", lam=7)),
        kept(PROFILED, "first", 1, document("b")),
        kept(SURVEYED, "first", 1, document("c")),
        kept(PROFILED, "weekly", 2, document("a")),
        kept(PROFILED, "weekly", 2, {"no": "cell"}),
        kept(SURVEYED, "half-way", 3, document("a")),
        kept(SURVEYED, "half-way", 3, document("d")),
    ]
    for order in (evidence, evidence[::-1]):
        measured, surveyed = newest_cells(order, OFFERED)
        assert [[c.option.name for c in cells] for cells in (measured, surveyed)] == [["a", "b"], ["c", "d"]]
        assert measured[0].capacity.lambda_max == 100.0


def test_an_option_that_is_not_offered_now_is_left_out() -> None:
    evidence = [kept(PROFILED, "run", 1, document("a")), kept(SURVEYED, "run", 1, document("b"))]
    assert newest_cells(evidence, OFFERED[2:]) == ([], [])


def test_a_cell_is_of_the_option_as_it_is_offered_now() -> None:
    cells = [cell("renamed", price=1), cell("dearer", price=1)]
    (dearer,) = offered(cells, [option("dearer", price=3)])
    assert (dearer.option.price, dearer.cost) == (3.0, 0.03)
    (renamed,) = offered(cells[:1], [option("new-name", price=1)])
    assert (renamed.option.name, renamed.key) == ("new-name", "pitch@1/new-name")
    assert offered(cells, [option("dearer", cores=2)]) == [], "it means something else now"
    assert offered(cells, []) == []


def test_the_same_objective_leaves_a_cell_as_it_was_measured() -> None:
    cells = [cell()]
    assert for_other_objective(cells, latency_ms=None, percentile=None) == cells
    assert for_other_objective(cells, latency_ms=100, percentile=99) == cells


def test_another_objective_makes_estimates_and_leaves_out_what_kept_no_service_times() -> None:
    old, new = cell("old"), cell("new", services_ms=tuple([10.0] * 500), lam=80)
    (found,) = for_other_objective([old, new], latency_ms=50, percentile=None)
    assert (found.option.name, found.capacity.method, found.objective.latency_ms) == ("new", "survey", 50)
    assert found.objective.percentile == 99


def test_an_option_that_could_not_be_measured_is_told_until_it_is() -> None:
    def of(name: str, kind: str, at_ms: int, reason: str = "") -> dict[str, Any]:
        found = cell(name)
        busy = NotQuiet(option=found.option, objective=found.objective, machine="m", reason=reason, at_ms=at_ms)
        document = busy if kind == NOT_QUIET else found
        return {**kept(kind, "run", at_ms, document.model_dump(mode="json")), "key": name}

    evidence = [
        of("measured-since", NOT_QUIET, 1),
        of("measured-since", PROFILED, 2),
        of("busy-again", PROFILED, 3),
        of("busy-again", NOT_QUIET, 4, "first"),
        of("busy-again", NOT_QUIET, 5, "last"),
        {**kept(NOT_QUIET, "run", 6, {"any": "shape"}), "key": "strange"},
        {**kept("Watch", "run", 7, {}), "key": "busy-again"},
    ]
    for order in (evidence, evidence[::-1]):
        assert [(found.option.name, found.reason) for found in not_quiet_in(order)] == [("busy-again", "last")]
