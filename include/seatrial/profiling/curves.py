"""Latency over load, as the queue model makes it of a cell's service times (pure)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seatrial.profiling.cell import Cell
from seatrial.profiling.queue import Queue
from seatrial.profiling.queue_model import latencies

RATES, FROM, TO = 30, 0.05, 0.98
"""How many rates, and which shares of the model's saturation are the lowest and the highest of them."""
REQUESTS = 20_000


@dataclass(frozen=True)
class LoadCurve:
    """Of each rate, in requests/s, the median latency and that of the objective's percentile."""

    rates: tuple[float, ...]
    p50_ms: tuple[float, ...]
    percentile_ms: tuple[float, ...]


def load_curve(cell: Cell) -> LoadCurve | None:
    """None for a cell without service times: an older measurement."""
    services_s = [service_ms / 1000 for service_ms in cell.capacity.services_ms]
    if not services_s:
        return None
    queue = cell.capacity.queue or Queue(instances=cell.option.instances)
    mu = queue.saturation(float(np.mean(services_s)))
    rates = np.linspace(FROM, TO, RATES) * mu
    gaps, asked = cell.objective.gaps, (50, cell.objective.percentile)
    found = [
        np.percentile(latencies(rate, services_s, queue, requests=REQUESTS, seed=1, gaps=gaps), asked) for rate in rates
    ]
    p50_ms, percentile_ms = (tuple(float(1000 * each[at]) for each in found) for at in (0, 1))
    return LoadCurve(tuple(map(float, rates)), p50_ms, percentile_ms)
