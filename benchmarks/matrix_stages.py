"""The three stages of a large matrix, one after the other in one process: what Airflow's mapped tasks do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from seatrial.autoscale.choose import choose
from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Cell
from seatrial.profiling.matrix import in_order
from seatrial.profiling.pruning import (
    FINALISTS,
    SPARE,
    Surveyed,
    next_to_measure,
    next_to_verify,
    places,
    why_not_survey,
)


@dataclass(frozen=True)
class Found:
    """The chosen cell, and how many options each stage put load on."""

    cell: Cell
    surveyed: int
    measured: int
    verified: int


class Machine(Protocol):
    """Measures options, and adds up the seconds that it took."""

    seconds: float

    def survey(self, option: HardwareOption) -> Cell: ...
    def measure(self, cell: Cell) -> Cell: ...
    def verify(self, cell: Cell) -> Cell: ...


def staged(options: Sequence[HardwareOption], machine: Machine) -> Found:
    surveys: dict[str, Cell] = {}
    seen: list[Surveyed] = []
    for option in in_order(options):
        if why_not_survey(option, seen) is None:
            cell = surveys[option.name] = machine.survey(option)
            seen.append(Surveyed.of(cell))
    cells: dict[str, Cell] = {}
    for place in range(places(len(options))):
        if (wanted := next_to_measure(seen, list(cells.values()), place)) is not None:
            cells[wanted.name] = machine.measure(surveys[wanted.name])
    for place in range(FINALISTS + SPARE):
        if (wanted := next_to_verify(seen, list(cells.values()), place)) is not None:
            cell = cells.get(wanted.name) or machine.measure(surveys[wanted.name])
            cells[wanted.name] = machine.verify(cell) if cell.capacity.feasible else cell
    verified = sum(cell.capacity.verified_s > 0 for cell in cells.values())
    return Found(choose(list(cells.values())).cell, len(surveys), len(cells), verified)
