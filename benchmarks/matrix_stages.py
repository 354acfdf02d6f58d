"""The three stages of a large matrix, one after the other in one process: what Airflow's mapped tasks do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seatrial.autoscale.choose import choose
from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Cell
from seatrial.profiling.matrix import in_order
from seatrial.profiling.pruning import FINALISTS, Surveyed, next_to_measure, next_to_verify, places, why_not_survey


@dataclass(frozen=True)
class Found:
    """The chosen cell, and how many options each stage put load on."""

    cell: Cell
    surveyed: int
    measured: int
    verified: int


def staged(
    options: Sequence[HardwareOption],
    survey: Callable[[HardwareOption], Cell],
    measure: Callable[[Cell], Cell],
    verify: Callable[[Cell], Cell],
) -> Found:
    surveys: dict[str, Cell] = {}
    seen: list[Surveyed] = []
    for option in in_order(options):
        if why_not_survey(option, seen) is None:
            cell = surveys[option.name] = survey(option)
            seen.append(Surveyed.of(cell))
    cells: dict[str, Cell] = {}
    for place in range(places(len(options))):
        if (wanted := next_to_measure(seen, list(cells.values()), place)) is not None:
            cells[wanted.name] = measure(surveys[wanted.name])
    for place in range(FINALISTS):
        if (open_one := next_to_verify(list(cells.values()), place)) is not None:
            cells[open_one.option.name] = verify(open_one)
        elif (wanted := next_to_measure(seen, list(cells.values()), len(cells))) is not None:
            cells[wanted.name] = verify(measure(surveys[wanted.name]))
    verified = sum(cell.capacity.verified_s > 0 for cell in cells.values())
    return Found(choose(list(cells.values())).cell, len(surveys), len(cells), verified)
