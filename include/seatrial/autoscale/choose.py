"""Which hardware option: the cheapest that carries the objective (pure). Source: methods, section 2, stage C."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from seatrial.errors import Refused
from seatrial.profiling.cell import Cell
from seatrial.profiling.pruning import ALIKE


class Choice(BaseModel):
    """The chosen cell, and every option that was looked at as a row: capacity, price per request/s, and how well that
    is known (see Capacity.method)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cell: Cell
    table: tuple[dict[str, Any], ...]
    sentence: str


def choose(cells: Sequence[Cell], surveyed: Sequence[Cell] = ()) -> Choice:
    """Lowest price per request/s; among those within 2 % the lower p99, then fewer instances.

    Where long levels verified some cells, only these can win. `surveyed`: what else was looked at, for the table.
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
    rows = tuple(_row(cell, best) for cell in looked_at)
    sentence = (
        f"{best.option.name} carries {best.capacity.lambda_max:.1f} requests/s with p{best.objective.percentile:g} "
        f"≤ {best.objective.latency_ms:g} ms, at {best.cost:.4f} per request/s: the cheapest of {len(rows)} option(s)"
    )
    return Choice(cell=best, table=rows, sentence=sentence)


def _only_surveyed(cells: Sequence[Cell], surveyed: Sequence[Cell]) -> Iterator[Cell]:
    measured = {cell.option.name for cell in cells}
    return (cell for cell in surveyed if cell.option.name not in measured)


def _why_not(cell: Cell) -> str:
    return f"{cell.option.name}: {'only surveyed' if cell.capacity.feasible else ' '.join(cell.capacity.notes)}"


def _row(cell: Cell, best: Cell) -> dict[str, Any]:
    capacity = cell.capacity
    return {
        "option": cell.option.name,
        "chosen": cell.key == best.key,
        "feasible": capacity.feasible,
        "method": "verified" if capacity.feasible and capacity.verified_s else capacity.method,
        "lambda_max": capacity.lambda_max,
        "mu": capacity.mu,
        "p99_ms": None if capacity.method == "survey" else capacity.p99_ms,
        "cpu_cores": capacity.cpu_cores_mean,
        "memory_mb": capacity.memory_mb_peak,
        "price": cell.option.price,
        "price_per_request": round(cell.cost, 5) if capacity.feasible else None,
    }
