"""Measured cells out of a version's evidence."""

from __future__ import annotations

from typing import Any

from seatrial.profiling.cell import NotQuiet
from seatrial.profiling.evidence import (
    NOT_QUIET,
    PROFILED,
    SURVEYED,
    for_other_objective,
    newest_cells,
    not_quiet_in,
)
from tests.unit.autoscale.test_derive_and_choose import cell


def kept(kind: str, run: str, at_ms: int, document: Any) -> dict[str, Any]:
    return {"kind": kind, "run": run, "at_ms": at_ms, "document": document}


def test_the_newest_run_that_measured_is_looked_at_and_nothing_else() -> None:
    documents = {name: cell(name).model_dump(mode="json") for name in "abcd"}
    evidence = [
        kept(PROFILED, "old", 1, documents["a"]),
        kept(SURVEYED, "new", 2, documents["b"]),
        kept(PROFILED, "new", 3, documents["c"]),
        kept(PROFILED, "new", 3, {"no": "cell"}),
        kept(SURVEYED, "newer, but it measured nothing", 4, documents["d"]),
    ]
    measured, surveyed = newest_cells(evidence)
    assert [[c.option.name for c in cells] for cells in (measured, surveyed)] == [["c"], ["b"]]
    assert newest_cells(evidence[-1:]) == ([], [])


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
