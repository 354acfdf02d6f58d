"""The command of who plans: what a version carries on which hardware, how many replicas a load needs, what it saves."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from seatrial import cli_capacity_views as views
from seatrial.cli_common import Answer, api, command, version_name
from seatrial.errors import MachineNotQuiet, NotFound


def add_to(commands: Any) -> None:
    new = command(
        commands,
        "capacity",
        capacity,
        "what a version carries on each hardware option, and what to run for a load",
        "seatrial capacity pitch@2 --load 50 --latency-ms 100",
        """Of each hardware option that the manager has now the newest measurement, at the price of now. Another
objective is computed from the service times that were kept, by the queue model, without any load: its rates are
estimates until a run measures them.

--parquet writes the whole table: a row for each option with its axes, price, rates, latencies, gauges and notes. What
it joins are the cells that the runs kept as evidence; the same evidence gives the same rows.

--plots draws OPTION.png for each option, latency and CPU over load, and _matrix.png, with the chosen one framed.

Both are written before anything is chosen, so also where no option keeps the objective.""",
    )
    new.add_argument("version", metavar="MODEL@VERSION")
    new.add_argument("--load", type=_positive, metavar="R", help="requests per second (default: one replica's target)")
    new.add_argument("--latency-ms", type=_positive, metavar="MS", help="another limit than the one measured for")
    new.add_argument("--percentile", type=_percentile, metavar="P", help="another percentile, 50 to 99.99")
    new.add_argument("--parquet", type=Path, metavar="FILE", help="the whole table as a file too; replaces FILE")
    new.add_argument("--plots", type=Path, metavar="FOLDER", help="pictures of it too; replaces files of their names")


def capacity(arguments: argparse.Namespace) -> Answer:
    from seatrial.autoscale.answer import answer
    from seatrial.autoscale.choose import choose
    from seatrial.autoscale.derive import derive
    from seatrial.autoscale.parquet import write_parquet
    from seatrial.autoscale.plots import draw_all
    from seatrial.autoscale.row import rows_of
    from seatrial.hardware import HardwareOption
    from seatrial.profiling.evidence import for_other_objective, newest_cells, not_quiet_in

    with api() as manager:
        model, number = version_name(arguments.version)
        dossier = manager.dossier(manager.model_version(model, number)["model_id"])
        options = [HardwareOption.model_validate(option) for option in manager.health()["options"]]
    measured, surveyed = newest_cells(dossier["evidence"], options)
    not_quiet = not_quiet_in(dossier["evidence"])
    if not measured and not_quiet:
        raise MachineNotQuiet("; ".join(f"{found.option.name}: {found.reason}" for found in not_quiet))
    if not [*measured, *surveyed]:
        raise NotFound(f"{arguments.version} was not measured yet")
    asked = {"latency_ms": arguments.latency_ms, "percentile": arguments.percentile}
    measured, surveyed = (for_other_objective(cells, **asked) for cells in (measured, surveyed))
    if all(cell.capacity.method in ("survey", "infeasible") for cell in measured):  # estimates all: each may be chosen
        measured, surveyed = [*measured, *surveyed], []
    if arguments.parquet is not None:
        write_parquet(arguments.parquet, rows_of([*measured, *surveyed]))
    framed = None
    try:
        choice = choose(measured, surveyed)
        framed = choice.cell.option.name
    finally:  # where none carries the objective, pictures show why
        if arguments.plots is not None:
            draw_all(arguments.plots, [*measured, *surveyed], framed)
    policy = derive(choice.cell, now_ms=choice.cell.at_ms, peak=arguments.load or 0.0)
    told = answer(choice.cell, [*surveyed, *measured], policy, arguments.load)
    parts = {"choice": choice, "policy": policy, "answer": told}
    document: dict[str, Any] = {name: part.model_dump(mode="json") for name, part in parts.items()}
    document["not_quiet"] = [found.model_dump(mode="json") for found in not_quiet]
    return document, views.capacity_lines(document)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _percentile(text: str) -> float:
    value = float(text)
    if not 50 <= value <= 99.99:
        raise argparse.ArgumentTypeError(f"{text} is not between 50 and 99.99")
    return value
