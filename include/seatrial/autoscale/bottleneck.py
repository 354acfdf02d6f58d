"""What limits a replica, with the figure that shows it (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from seatrial.profiling.cell import Cell, Level

BUSY = 0.9
"""Share of a resource in use at saturation from which on it is what limits."""

What = Literal["CPU", "threads", "GPU", "client", "unknown"]


class Bottleneck(BaseModel):
    """`threads`: cores are left, but the instances and threads of the option cannot use them. `client`: the load
    generator, so that a replica carries what was measured or more. `GPU`: none of these, and a kernel ran almost always
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
    option = cell.option
    if _cores_used(cell) < BUSY * option.threads * option.instances:
        return None
    return f"{_used(cell)}, as much as {option.instances} instance(s) of {option.threads} thread(s) can use"


def _client(cell: Cell) -> str | None:
    behind = next((note for note in cell.capacity.notes if "generator" in note), None)
    return behind or (f"{_used(cell)}; the load generator shared them" if cell.shared_cores else None)


def _gpu(cell: Cell) -> str | None:
    at = _saturation(cell)
    percent = None if at is None or at.gpu is None else at.gpu.kernel_percent_mean
    if percent is None or percent < 100 * BUSY:
        return None
    return f"a kernel ran {percent:.0f} % of the time at saturation, with {_cores_used(cell):.2f} core(s) in use"


def _saturation(cell: Cell) -> Level | None:
    """The second level of every measurement; None where there was none."""
    return cell.capacity.levels[1] if len(cell.capacity.levels) > 1 else None


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
    ("GPU", _gpu),
)
