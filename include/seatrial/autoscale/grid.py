"""The options of a matrix in rows and columns, as they are drawn (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Cell
from seatrial.words import counted


@dataclass(frozen=True)
class Grid:
    """`rows` are devices, cores and threads, `columns` what runs on them; `cells` by their places. Options that differ
    in something else only, such as precision, have rows of their own."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: dict[tuple[int, int], Cell]


def grid_of(cells: Iterable[Cell]) -> Grid:
    """Rows and columns from small to large. Of two cells in one place the cheaper one stays."""
    ordered = sorted(cells, key=lambda cell: -_cost(cell))
    rows = _in_order({_row(cell.option): _row_size(cell.option) for cell in ordered})
    columns = _in_order({_column(cell.option): _column_size(cell.option) for cell in ordered})
    places = {(rows.index(_row(cell.option)), columns.index(_column(cell.option))): cell for cell in ordered}
    return Grid(rows, columns, places)


def _in_order(sizes: dict[str, tuple[float | str, ...]]) -> tuple[str, ...]:
    return tuple(sorted(sizes, key=lambda name: (sizes[name], name)))


def _cost(cell: Cell) -> float:
    return cell.cost if cell.capacity.feasible else float("inf")


def _row(option: HardwareOption) -> str:
    share = f" {Fraction(option.mps_share).limit_denominator(100)}" if option.mps_share else ""
    device = f"{option.gpu or 'any GPU'}{share}, " if option.device == "gpu" else ""
    precision = "" if option.precision == "fp32" else f", {option.precision}"
    return f"{device}{counted(option.cores, 'core')} × {counted(option.threads, 'thread')}{precision}"


def _row_size(option: HardwareOption) -> tuple[float | str, ...]:
    return (option.device, option.gpu or "", option.mps_share or 1.0, option.cores, option.threads, option.precision)


def _column(option: HardwareOption) -> str:
    batch = f"batch {option.max_batch}" if option.max_batch > 1 else "no batches"
    return f"{counted(option.instances, 'instance')}\n{batch}"


def _column_size(option: HardwareOption) -> tuple[float | str, ...]:
    return (option.instances, option.max_batch)
