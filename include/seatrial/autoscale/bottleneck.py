"""What limits a replica, with the figure that shows it (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from seatrial.profiling.cell import Cell, Level
from seatrial.profiling.gpu_gauges import GpuUse

BUSY = 0.9
"""Share of a resource in use at saturation from which on it is what limits."""

ONE = 1.1
"""Cores that one thread may seem to use: the server around it works too."""
MEMORY_BUSY = 0.8
"""Share of the time in which a GPU's memory is read or written: no access pattern keeps it busy all of the time."""
CHEAP = 0.5
"""Of what one request alone takes: where a further one adds less, larger batches would carry clearly more."""

What = Literal["CPU", "threads", "GPU", "memory bandwidth", "batching", "client", "unknown"]


class Bottleneck(BaseModel):
    """`threads`: cores are left, but the instances and threads of the option cannot use them. `client`: the load
    generator, so that a replica carries what was measured or more. `batching`: on a GPU, all batches are as large as
    the option allows, and larger ones would be cheaper a request. `GPU`: none of these, and a kernel ran almost always
    at saturation, which alone shows nothing, because one tiny stream of kernels does that too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: What
    figure: str


def bottleneck(cell: Cell) -> Bottleneck:
    """The first of the rules that the cell's figures meet."""
    for what, rule in RULES:
        figure = rule(cell)
        if figure is not None:
            return Bottleneck(what=what, figure=figure)
    return Bottleneck(what="unknown", figure=_used(cell) or "no level at saturation was kept")


def _cpu(cell: Cell) -> str | None:
    return _used(cell) if _cores_used(cell) >= BUSY * cell.option.cores else None


def _threads(cell: Cell) -> str | None:
    option, used = cell.option, _cores_used(cell)
    asked = option.threads * option.instances
    if used >= BUSY * asked:
        return f"{_used(cell)}, as much as {option.instances} instance(s) of {option.threads} thread(s) can use"
    if BUSY <= used <= ONE and asked > 1:
        return f"{_used(cell)}, as much as one thread: that there are {asked} shows no effect"
    return None


def _client(cell: Cell) -> str | None:
    said = (*cell.capacity.notes, *cell.capacity.findings)
    behind = next((sentence for sentence in said if "generator" in sentence), None)
    return behind or (f"{_used(cell)}; the load generator shared them" if cell.shared_cores else None)


def _memory(cell: Cell) -> str | None:
    percent = _gpu_at_saturation(cell).memory_percent_mean
    if percent is None or percent < 100 * MEMORY_BUSY:
        return None
    return f"the GPU's memory was read or written {percent:.0f} % of the time at saturation"


def _batching(cell: Cell) -> str | None:
    option, queue = cell.option, cell.capacity.queue
    full = queue is not None and option.device == "gpu" and 1 < option.max_batch <= queue.max_batch
    if queue is None or not full or queue.each_more > CHEAP:
        return None
    return (
        f"batches have all {option.max_batch} rows that the option allows at saturation, and one more request would add"
        f" {queue.each_more:.0%} of what one alone takes"
    )


def _gpu(cell: Cell) -> str | None:
    percent = _gpu_at_saturation(cell).kernel_percent_mean
    if percent is None or percent < 100 * BUSY:
        return None
    return f"a kernel ran {percent:.0f} % of the time at saturation, with {_cores_used(cell):.2f} core(s) in use"


def _saturation(cell: Cell) -> Level | None:
    """The second level of every measurement; None where there was none."""
    return cell.capacity.levels[1] if len(cell.capacity.levels) > 1 else None


def _gpu_at_saturation(cell: Cell) -> GpuUse:
    at = _saturation(cell)
    return GpuUse() if at is None or at.gpu is None else at.gpu


def _cores_used(cell: Cell) -> float:
    at = _saturation(cell)
    return 0.0 if at is None else at.cpu_cores


def _used(cell: Cell) -> str | None:
    used = _cores_used(cell)
    return f"{used:.2f} of {cell.option.cores} core(s) in use at saturation" if used else None


RULES: tuple[tuple[What, Callable[[Cell], str | None]], ...] = (
    ("CPU", _cpu),
    ("threads", _threads),
    ("client", _client),
    ("memory bandwidth", _memory),
    ("batching", _batching),
    ("GPU", _gpu),
)
