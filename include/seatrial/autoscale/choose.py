"""Which hardware option: the cheapest that carries the objective (pure). Source: methods, section 2, stage C."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from seatrial.autoscale.row import Row, rows_of
from seatrial.errors import Refused
from seatrial.profiling.cell import Cell
from seatrial.profiling.pruning import ALIKE


class Choice(BaseModel):
    """The chosen cell, and every option that was looked at as a row, the cheapest first."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cell: Cell
    table: tuple[Row, ...]
    sentence: str


def choose(cells: Sequence[Cell], surveyed: Sequence[Cell] = ()) -> Choice:
    """Lowest price per request/s; among those within 2 % the lower p99, then fewer instances.

    Where long levels verified some cells, only these can win; where all that were tried kept nothing, the sentence says
    so and what they showed. `surveyed`: what else was looked at, for the table.
    Raises Refused with the figures when no option carries the objective.
    """
    feasible = [cell for cell in cells if cell.capacity.feasible]
    looked_at = [*cells, *_only_surveyed(cells, surveyed)]
    if not feasible:
        found = "; ".join(map(_why_not, looked_at)) or "none measured"
        raise Refused(f"no hardware option keeps the latency objective: {found}", field="objective")
    proven = [cell for cell in feasible if cell.capacity.verified_s] or feasible
    cheapest = min(cell.cost for cell in proven)
    alike = [cell for cell in proven if cell.cost <= cheapest * ALIKE]
    best = min(alike, key=lambda cell: (cell.capacity.p99_ms, cell.option.instances, cell.option.name))
    sentence = (
        f"{best.option.name} carries {best.capacity.lambda_max:.1f} requests/s with p{best.objective.percentile:g} "
        f"≤ {best.objective.latency_ms:g} ms, at {best.cost:.4f} per request/s: the cheapest of "
        f"{len(looked_at)} option(s)"
    )
    return Choice(cell=best, table=rows_of(looked_at), sentence=f"{sentence}{_unproven(best, cells)}")


def _unproven(best: Cell, cells: Sequence[Cell]) -> str:
    tried = "; ".join(_why_not(cell) for cell in cells if cell.capacity.verified_s)
    if best.capacity.verified_s or not tried:
        return ""
    return f"; short levels alone show that, long ones kept nothing: {tried}"


def _only_surveyed(cells: Sequence[Cell], surveyed: Sequence[Cell]) -> Iterator[Cell]:
    measured = {cell.option.name for cell in cells}
    return (cell for cell in surveyed if cell.option.name not in measured)


def _why_not(cell: Cell) -> str:
    return f"{cell.option.name}: {'only surveyed' if cell.capacity.feasible else ' '.join(cell.capacity.notes)}"
