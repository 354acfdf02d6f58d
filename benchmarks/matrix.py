"""A real CPU matrix in stages and exhaustively: `make bench-matrix`.

Every option is measured on a real tritonserver of its own. In stages: survey, search, long levels, as Airflow's tasks
do. Exhaustively: a full search and a long level on every option. Regret: what the option that the stages chose costs a
request/s more than the cheapest, both by the exhaustive figures. Two networks: `dense`, two layers of weights that a
batch reads once, and basic-pitch.

What was measured is kept in `--keep` and not measured again, so that `--limit-s` seconds at a time are enough. The last
line is one JSON object; `ok`: 15 % of the exhaustive time, regret 3 %, for each network.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.matrix_kept import Kept, once
from benchmarks.matrix_machine import Machine, OutOfTime, machine_for
from benchmarks.matrix_networks import NETWORKS
from benchmarks.matrix_stages import staged
from benchmarks.stopping import end_by_sigterm
from seatrial.hardware import HardwareOption
from seatrial.profiling.matrix import MatrixEntry, expand, in_order

AXES = {"cores": [1, 2], "threads": [1, 2], "instances": [1, 2], "max_batch": [1, 2, 8]}
OPTIONS = in_order(expand(MatrixEntry.model_validate({"matrix": "cpu", **AXES})))
TIME, REGRET = 0.15, 0.03


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=Path, default=Path(".seatrial/examples"))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--keep", type=Path, help="folder for what was measured; default: nothing is kept")
    parser.add_argument("--limit-s", type=float, default=3600.0, help="seconds, for all networks together")
    arguments = parser.parse_args()
    until = time.monotonic() + arguments.limit_s
    found: dict[str, Any] = {}
    for name in arguments.networks:
        with (
            machine_for(partial(NETWORKS[name], arguments.examples), until) as machine,
            _folder(arguments.keep) as keep,
        ):
            try:
                found[name] = _compared(machine, keep / name)
            except OutOfTime:
                found[name] = {"ok": False, "unfinished": f"{len(list((keep / name).glob('cpu-*')))} options measured"}
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    ok = all(figures["ok"] for figures in found.values())
    print(json.dumps({**found, "ok": ok}))
    return 0 if ok else 1


def _compared(machine: Machine, keep: Path) -> dict[str, Any]:
    stages = _staged(Kept(machine, keep / "stages"))
    cells = {option.name: once(keep / f"{option.name}.json", partial(_alone, machine, option)) for option in OPTIONS}
    costs = {name: cell["cost"] for name, cell in cells.items() if cell["cost"] is not None}
    chosen = costs.get(stages["chosen"])
    regret = None if chosen is None else round(chosen / min(costs.values()) - 1, 4)  # None: alone it carried nothing
    exhaustive_s = sum(cell["seconds"] for cell in cells.values())
    share = stages["seconds"] / exhaustive_s
    return {
        "options": len(OPTIONS),
        **stages,
        "exhaustive_s": round(exhaustive_s, 1),
        "time_share": round(share, 3),
        "cheapest": min(costs, key=lambda name: costs[name]),
        "regret": regret,
        "rates": {name: cell["lambda_max"] for name, cell in cells.items()},
        "ok": share <= TIME and regret is not None and regret <= REGRET,
    }


def _staged(machine: Kept) -> dict[str, Any]:
    found = staged(OPTIONS, machine)
    counts = {"surveyed": found.surveyed, "measured": found.measured, "verified": found.verified}
    return {"chosen": found.cell.option.name, "seconds": round(machine.seconds, 1), **counts}


def _alone(machine: Machine, option: HardwareOption) -> dict[str, Any]:
    before, cell = machine.seconds, machine.exhaustive(option)
    return {
        "lambda_max": cell.capacity.lambda_max,
        "mu": cell.capacity.mu,
        "cost": cell.cost if cell.capacity.feasible else None,
        "seconds": round(machine.seconds - before, 1),
    }


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-kept-") as name:
        yield Path(name)


if __name__ == "__main__":
    end_by_sigterm()
    sys.exit(main())
