"""Measured cells out of a version's evidence, and what they say about another objective (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from seatrial.profiling.cell import Cell, NotQuiet, Objective
from seatrial.profiling.same_measurement import for_objective

SURVEYED, PROFILED = "SurveyHardware", "ProfileHardware"
NOT_QUIET = "MachineNotQuiet"


def newest_cells(evidence: Sequence[Mapping[str, Any]]) -> tuple[list[Cell], list[Cell]]:
    """What the newest run that measured the version measured, and what it surveyed; both empty where none did."""
    newest = max((one for one in evidence if one["kind"] == PROFILED), key=lambda one: one["at_ms"], default=None)
    run = None if newest is None else newest["run"]
    of_run = [one for one in evidence if one["run"] == run and run is not None]
    return cells_in(of_run, PROFILED), cells_in(of_run, SURVEYED)


def for_other_objective(cells: Sequence[Cell], *, latency_ms: float | None, percentile: float | None) -> list[Cell]:
    """The cells as they are where they were measured for that, else what the queue model makes of them; those without
    service times, of older measurements, are left out. None: as measured."""
    return [found for cell in cells if (found := _for(cell, latency_ms, percentile)) is not None]


def _for(cell: Cell, latency_ms: float | None, percentile: float | None) -> Cell | None:
    objective = Objective(
        percentile=percentile or cell.objective.percentile, latency_ms=latency_ms or cell.objective.latency_ms
    )
    if objective == cell.objective:
        return cell
    if not cell.capacity.services_ms:
        return None
    capacity = for_objective(cell.capacity, objective, cell.option.instances)
    return cell.model_copy(update={"objective": objective, "capacity": capacity})


def cells_in(evidence: Iterable[Mapping[str, Any]], kind: str) -> list[Cell]:
    """The cells among documents of evidence, in their order. What is none is passed over: anyone with a token may keep
    evidence of any shape."""
    found = []
    for one in evidence:
        if one["kind"] != kind:
            continue
        try:
            found.append(Cell.model_validate(one["document"]))
        except ValidationError:
            continue
    return found


def not_quiet_in(evidence: Iterable[Mapping[str, Any]]) -> list[NotQuiet]:
    """Why options could not be measured when that was tried last, the newest of each; those with a cell since are left
    out, and documents of another shape."""
    newest: dict[str, Mapping[str, Any]] = {}
    for one in sorted(evidence, key=lambda one: int(one["at_ms"])):
        if one["kind"] in (SURVEYED, PROFILED, NOT_QUIET):
            newest[one["key"]] = one
    found = []
    for one in newest.values():
        with suppress(ValidationError):
            if one["kind"] == NOT_QUIET:
                found.append(NotQuiet.model_validate(one["document"]))
    return found
