"""What was measured, as pictures. The only importer of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seatrial.autoscale.grid import Grid, grid_of
from seatrial.errors import Refused
from seatrial.profiling.cell import Capacity, Cell, Level
from seatrial.profiling.curves import load_curve

MEASURED, MODEL, LIMIT, SERVER, CLIENT = "#1f5fa8", "#8fb3dc", "#b3261e", "#2e7d32", "#b0a060"
LABEL_INK = 0.6
"""Share of the largest rate from which on a place of the heat map is dark, and its text light."""


def draw_all(folder: Path, cells: Sequence[Cell], chosen: str | None) -> list[Path]:
    """`OPTION.png` for each cell, and `_matrix.png` where there is more than one; the folder
    is made, files of these names are replaced. `chosen`: the option that is framed, if any.

    Raises Refused where nothing can be written there, and where matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise Refused("pictures need matplotlib: pip install 'seatrial[plots]'") from error
    drawn = {cell.option.name: _of_option(Figure(figsize=(8, 7), layout="constrained"), cell) for cell in cells}
    if len(cells) > 1:
        drawn["_matrix"] = _of_matrix(Figure(layout="constrained"), grid_of(cells), chosen)
    files = [folder / f"{name}.png" for name in drawn]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, figure in zip(files, drawn.values(), strict=True):
            figure.savefig(file, dpi=120)
    except OSError as error:
        raise Refused(f"{folder}: {error.strerror or error}", field="plots", value=str(folder)) from error
    return files


def _of_option(figure: Any, cell: Cell) -> Any:
    latency, cores = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    _latency(latency, cell)
    _cores(cores, cell)
    rate = f"{cell.capacity.lambda_max:.1f} requests/s" if cell.capacity.feasible else "no load"
    figure.suptitle(f"{cell.key}: {rate} within p{cell.objective.percentile:g} ≤ {cell.objective.latency_ms:g} ms")
    return figure


def _latency(axes: Any, cell: Cell) -> None:
    """The knee: measured levels over what the queue model says between them."""
    capacity, percentile, curve = cell.capacity, f"p{cell.objective.percentile:g}", load_curve(cell)
    if curve is not None:
        axes.plot(curve.rates, curve.percentile_ms, color=MODEL, label=f"{percentile}, queue model")
        axes.plot(curve.rates, curve.p50_ms, color=MODEL, linestyle="--", label="p50, queue model")
    levels = poisson_levels(cell)
    rates = [level.rate for level in levels]
    axes.plot(rates, [level.p99_ms for level in levels], "o", color=MEASURED, label="p99, measured")
    axes.plot(rates, [level.p50_ms for level in levels], "s", color=MEASURED, fillstyle="none", label="p50, measured")
    if capacity.p99_high_ms:
        for low, at, high in _between(capacity):
            bars = [[max(0.0, at - low)], [max(0.0, high - at)]]
            axes.errorbar([capacity.verified_at], [at], bars, color=MEASURED, linewidth=1, capsize=4)
    axes.axhline(cell.objective.latency_ms, color=LIMIT, linewidth=1, label=f"limit {cell.objective.latency_ms:g} ms")
    axes.axvline(capacity.mu, color="gray", linestyle=":", label=f"saturation {capacity.mu:.1f}/s")
    if capacity.feasible:
        axes.axvspan(capacity.lambda_low, capacity.lambda_high, color=MEASURED, alpha=0.12, label="its interval")
        axes.axvline(capacity.lambda_max, color=MEASURED, linewidth=1, label=f"carries {capacity.lambda_max:.1f}/s")
    axes.set(ylabel="latency, ms", yscale="log", xlim=(0, 1.05 * capacity.mu))
    from matplotlib.ticker import LogLocator, NullFormatter

    for kind, digits in (("major", (1, 2, 5)), ("minor", range(1, 10))):
        getattr(axes.yaxis, f"set_{kind}_locator")(LogLocator(subs=digits))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="upper left", fontsize="small")


def _between(capacity: Capacity) -> tuple[tuple[float, float, float], ...]:
    """p50 and p99 at `verified_at`, with their intervals."""
    return (
        (capacity.p50_low_ms, capacity.p50_ms, capacity.p50_high_ms),
        (capacity.p99_low_ms, capacity.p99_ms, capacity.p99_high_ms),
    )


def _cores(axes: Any, cell: Cell) -> None:
    """CPU over load, from idle to saturation."""
    levels = sorted((level for level in cell.capacity.levels if level.gauges), key=lambda level: level.rate)
    rates = [level.rate for level in levels]
    server = [level.cpu_cores for level in levels]
    client = [g.generator_user_cores + g.generator_system_cores for level in levels if (g := level.gauges)]
    axes.plot(rates, server, "o-", color=SERVER, label="server")
    axes.plot(rates, client, "s-", color=CLIENT, label="load generator")
    axes.axhline(cell.option.cores, color=LIMIT, linewidth=1, label="cores of the option")
    axes.set(xlabel="requests/s", ylabel="cores in use", ylim=(0, 1.15 * cell.option.cores))
    axes.legend(loc="upper left", fontsize="small")


def poisson_levels(cell: Cell) -> list[Level]:
    """The levels of Poisson load: all but idle and saturation, which is measured again where it was not sure."""
    levels = (level for level in cell.capacity.levels[2:] if level.kind == "level")
    return sorted(levels, key=lambda level: level.rate)


def _of_matrix(figure: Any, grid: Grid, chosen: str | None) -> Any:
    """Each option's rate and price per request/s; empty where none was measured."""
    figure.set_size_inches(4 + 1.5 * len(grid.columns), 2 + 0.7 * len(grid.rows))
    axes, most = figure.subplots(), max((cell.capacity.lambda_max for cell in grid.cells.values()), default=0.0)
    columns = range(len(grid.columns))
    rates = [[_rate(grid.cells.get((row, column))) for column in columns] for row in range(len(grid.rows))]
    image = axes.imshow(rates, cmap="Blues", vmin=0, vmax=most or 1, aspect="auto")
    for (row, column), cell in grid.cells.items():
        ink = "white" if cell.capacity.lambda_max > LABEL_INK * most else "black"
        axes.text(column, row, _label(cell), ha="center", va="center", color=ink, fontsize="small")
        if cell.option.name == chosen:
            axes.add_patch(_frame(column, row))
    axes.set_xticks(columns, grid.columns)
    axes.set_yticks(range(len(grid.rows)), grid.rows)
    some = next(iter(grid.cells.values()))
    limit = f"p{some.objective.percentile:g} ≤ {some.objective.latency_ms:g} ms"
    legend = "below it the price of one; framed: the choice" if chosen else "no option keeps that"
    figure.suptitle(f"{some.model}@{some.version}: requests/s with {limit}\n{legend}")
    figure.colorbar(image, label="requests/s")
    return figure


def _rate(cell: Cell | None) -> float:
    return float("nan") if cell is None else cell.capacity.lambda_max


def _label(cell: Cell) -> str:
    if not cell.capacity.feasible:
        return "none"
    estimate = "~" if cell.capacity.method == "survey" else ""
    return f"{estimate}{cell.capacity.lambda_max:.1f}\n{cell.cost:.4g}"


def _frame(column: int, row: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=LIMIT, linewidth=3, clip_on=False)
