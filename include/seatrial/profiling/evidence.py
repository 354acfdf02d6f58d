"""Measured cells out of a version's evidence, and what they say about another objective (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Cell, NotQuiet
from seatrial.profiling.same_measurement import for_objective

SURVEYED, PROFILED = "SurveyHardware", "ProfileHardware"
NOT_QUIET = "MachineNotQuiet"


def newest_cells(
    evidence: Iterable[Mapping[str, Any]], options: Sequence[HardwareOption]
) -> tuple[list[Cell], list[Cell]]:
    """Of each of the options the newest measurement, whichever run made it; of those without one the newest survey."""
    newest_first = sorted(evidence, key=lambda one: -int(one["at_ms"]))
    measured, surveyed = (offered(cells_in(newest_first, kind), options) for kind in (PROFILED, SURVEYED))
    known = {cell.option.name for cell in measured}
    return measured, [cell for cell in surveyed if cell.option.name not in known]


def offered(cells: Sequence[Cell], options: Iterable[HardwareOption]) -> list[Cell]:
    """Of each option the first of its cells. One that is called or priced otherwise now gets that name and price; what
    is no longer offered, or means something else now, is left out."""
    known: dict[HardwareOption, list[Cell]] = {}
    for cell in cells:
        known.setdefault(_unnamed(cell.option), []).append(cell)
    return [_as(option, known[_unnamed(option)]) for option in options if _unnamed(option) in known]


def _unnamed(option: HardwareOption) -> HardwareOption:
    """All that a measurement depends on."""
    return option.model_copy(update={"name": "any", "price": 1.0})


def _as(option: HardwareOption, same: Sequence[Cell]) -> Cell:
    """The first of that name, or the first, as a cell of the option."""
    cell = min(same, key=lambda cell: cell.option.name != option.name)
    return cell.model_copy(update={"option": option, "key": f"{cell.model}@{cell.version}/{option.name}"})


def for_other_objective(cells: Sequence[Cell], *, latency_ms: float | None, percentile: float | None) -> list[Cell]:
    """The cells as they are where they were measured for that, else what the queue model makes of them; those without
    service times, of older measurements, are left out. None: as measured."""
    return [found for cell in cells if (found := _for(cell, latency_ms, percentile)) is not None]


def _for(cell: Cell, latency_ms: float | None, percentile: float | None) -> Cell | None:
    known = cell.objective
    objective = known.model_copy(
        update={"percentile": percentile or known.percentile, "latency_ms": latency_ms or known.latency_ms}
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
