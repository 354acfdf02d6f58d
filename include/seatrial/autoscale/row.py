"""One hardware option as a row of the capacity table (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from seatrial.profiling.cell import Cell


class Row(BaseModel):
    """What one cell says. `…_per_s` are requests a second, latencies were measured at `verified_at_per_s`;
    `…_low…` to `…_high…` is the interval of the figure.

    None, never 0, is what was not found: rates and price of an option that keeps the objective at no rate, latencies
    of one that was only surveyed, `neighbours` and what it did alone for one that shares no GPU.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    version: int
    option: str
    device: str
    gpu: str | None
    gpu_uuid: str | None
    mps_share: float | None
    gpu_memory_mib: int | None
    cores: int
    threads: int
    instances: int
    max_batch: int
    max_queue_delay_us: int
    precision: str
    memory_mib: int | None
    price: float
    objective_percentile: float
    objective_ms: float
    feasible: bool
    method: str
    verified_s: float
    mu_per_s: float
    mu_low_per_s: float | None
    mu_high_per_s: float | None
    lambda_low_per_s: float | None
    lambda_max_per_s: float | None
    lambda_high_per_s: float | None
    price_per_request_per_s: float | None
    verified_at_per_s: float | None
    idle_p50_ms: float
    p50_ms: float | None
    p50_low_ms: float | None
    p50_high_ms: float | None
    p95_ms: float | None
    p95_low_ms: float | None
    p95_high_ms: float | None
    p99_ms: float | None
    p99_low_ms: float | None
    p99_high_ms: float | None
    cpu_cores_mean: float
    cpu_cores_peak: float
    memory_mb_peak: float
    started_in_s: float
    load_s: float
    shared_cores: bool
    neighbours: int | None
    alone_mu_per_s: float | None
    alone_lambda_max_per_s: float | None
    interference: float | None
    machine: str
    measured_as: str
    measured_at: datetime
    notes: str
    findings: str


AXES = (
    *("device", "gpu", "gpu_uuid", "mps_share", "gpu_memory_mib", "cores", "threads", "instances", "max_batch"),
    *("max_queue_delay_us", "precision", "memory_mib", "price"),
)
"""Columns that are the option's own fields."""
FIGURES = ("feasible", "method", "verified_s", "idle_p50_ms", "cpu_cores_mean", "cpu_cores_peak", "memory_mb_peak")
"""Columns that are the capacity's own fields."""
LATENCIES = tuple(f"p{percentile}{end}_ms" for percentile in (50, 95, 99) for end in ("", "_low", "_high"))
"""The same, where a level was measured; 0 there, and None here, where it is not known."""


def rows_of(cells: Iterable[Cell]) -> tuple[Row, ...]:
    """The cheapest first, those that carry nothing last."""
    found = (_row(cell) for cell in cells)
    return tuple(sorted(found, key=lambda row: (row.price_per_request_per_s or float("inf"), row.option)))


def _row(cell: Cell) -> Row:
    option, capacity = cell.option, cell.capacity
    loaded = capacity.method != "survey"
    latencies: dict[str, Any] = {name: getattr(capacity, name) or None if loaded else None for name in LATENCIES}
    return Row(
        **{name: getattr(option, name) for name in AXES},
        **{name: getattr(capacity, name) for name in FIGURES},
        **latencies,
        model=cell.model,
        version=cell.version,
        option=option.name,
        objective_percentile=cell.objective.percentile,
        objective_ms=cell.objective.latency_ms,
        mu_per_s=capacity.mu,
        mu_low_per_s=capacity.mu_low or None,
        mu_high_per_s=capacity.mu_high or None,
        lambda_low_per_s=(capacity.lambda_low or None) if capacity.feasible else None,
        lambda_max_per_s=capacity.lambda_max if capacity.feasible else None,
        lambda_high_per_s=capacity.lambda_high if capacity.feasible else None,
        price_per_request_per_s=cell.cost if capacity.feasible else None,
        verified_at_per_s=capacity.verified_at if loaded else None,
        started_in_s=cell.started_in_s,
        load_s=capacity.seconds,
        shared_cores=cell.shared_cores,
        neighbours=cell.alone.neighbours if cell.alone else None,
        alone_mu_per_s=cell.alone.mu if cell.alone else None,
        alone_lambda_max_per_s=cell.alone.lambda_max if cell.alone else None,
        interference=cell.interference,
        machine=cell.machine,
        measured_as=cell.measured_as,
        measured_at=datetime.fromtimestamp(cell.at_ms / 1000, UTC),
        notes="; ".join(capacity.notes),
        findings="; ".join(capacity.findings),
    )
