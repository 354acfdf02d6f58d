"""Which hardware option: the cheapest that carries the objective (pure). Source: methods, section 2, stage C."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from seatrial.errors import Refused
from seatrial.profiling.cell import Cell

ALIKE = 1.03  # within 3 % of the lowest cost the quieter option wins


class Choice(BaseModel):
    """The chosen cell, and every measured one as a row: option, capacity, price per request/s, and why not."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cell: Cell
    table: tuple[dict[str, Any], ...]
    sentence: str


def choose(cells: Sequence[Cell]) -> Choice:
    """Lowest price per request/s; among those within 3 % the lower p99, then fewer instances.

    Raises Refused with the figures when no option carries the objective.
    """
    feasible = [cell for cell in cells if cell.capacity.feasible]
    if not feasible:
        found = "; ".join(f"{cell.option.name}: {' '.join(cell.capacity.notes)}" for cell in cells) or "none measured"
        raise Refused(f"no hardware option keeps the latency objective: {found}", field="objective")
    cheapest = min(cost(cell) for cell in feasible)
    alike = [cell for cell in feasible if cost(cell) <= cheapest * ALIKE]
    best = min(alike, key=lambda cell: (cell.capacity.p99_ms, cell.option.instances, cell.option.name))
    sentence = (
        f"{best.option.name} carries {best.capacity.lambda_max:.1f} requests/s with p{best.objective.percentile:g} "
        f"≤ {best.objective.latency_ms:g} ms, at {cost(best):.4f} per request/s: the cheapest of {len(cells)} option(s)"
    )
    return Choice(cell=best, table=tuple(_row(cell, best) for cell in cells), sentence=sentence)


def cost(cell: Cell) -> float:
    """Price of the option for one request per second."""
    return cell.option.price / cell.capacity.lambda_max


def _row(cell: Cell, best: Cell) -> dict[str, Any]:
    capacity = cell.capacity
    return {
        "option": cell.option.name,
        "chosen": cell.key == best.key,
        "feasible": capacity.feasible,
        "lambda_max": capacity.lambda_max,
        "mu": capacity.mu,
        "p99_ms": capacity.p99_ms,
        "cpu_cores": capacity.cpu_cores_mean,
        "memory_mb": capacity.memory_mb_peak,
        "price": cell.option.price,
        "price_per_request": round(cost(cell), 5) if capacity.feasible else None,
    }
