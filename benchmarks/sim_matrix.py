"""The stages of a large matrix on simulated response surfaces: `make sim-matrix`.

Each surface (`matrix_surfaces`, seeded) is measured exhaustively, every option with a full search and a long level, and
in stages, with the noise and the seconds that measurements had here on real servers; one long level in fifty keeps the
objective at no rate that it tries, as beside other work. Regret: what the chosen option
costs a request/s more than the cheapest in truth. The last line is one JSON object; `ok`: 10 % of the exhaustive time
on average, mean regret 0.5 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.matrix_stages import Found, staged
from benchmarks.matrix_surfaces import OPTIONS, Point, surface
from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.profiling.capacity import VERIFIED_TIMES, VERIFY_S
from seatrial.profiling.cell import Cell, Objective

START_S, IDLE_S, SURVEY_S, SATURATION_S, SEARCH_S = 3.0, 1.0, 2.5, 5.0, 14.0
NOISE = {"mu": 0.02, "estimate": 0.08, "search": 0.025, "verify": 0.01}
"""Standard deviations, as shares."""
NONE_HELD = 0.02
"""Share of the options given a long level that kept none."""
TIME, REGRET = 0.10, 0.005


@dataclass
class Machine:
    """Measures one surface, and adds up the seconds that it would take."""

    truth: dict[str, Point]
    random: np.random.Generator
    chance: np.random.Generator
    seconds: float = 0.0

    def survey(self, option: HardwareOption) -> Cell:
        self.seconds += START_S + IDLE_S + (SURVEY_S if self.truth[option.name].lambda_max else 0.0)
        return self._cell(option, "estimate", method="survey")

    def measure(self, cell: Cell) -> Cell:
        self.seconds += START_S + SEARCH_S
        return self._cell(cell.option, "search", method="model")

    def verify(self, cell: Cell) -> Cell:
        found = self._cell(cell.option, "verify", method="model", verified_s=VERIFY_S)
        held = self.chance.random() >= NONE_HELD
        self.seconds += START_S + (1 if held else VERIFIED_TIMES) * VERIFY_S
        return found if held else _none_held(found)

    def _cell(self, option: HardwareOption, how: str, **capacity: Any) -> Cell:
        mu, rate = self.truth[option.name].mu, self.truth[option.name].lambda_max
        found = rate * (1 + self.random.normal(0, NOISE[how]))
        if not rate:
            capacity["method"] = "infeasible"
        numbers = {
            "mu": mu * (1 + self.random.normal(0, NOISE["mu"])),
            "lambda_max": found,
            "lambda_high": 1.08 * found,
        }
        return Cell.model_validate(
            {
                **dict.fromkeys(("key", "model", "tree_digest", "machine"), option.name),
                **dict.fromkeys(("version", "model_id", "started_in_s", "at_ms"), 1),
                "option": option,
                "objective": Objective(latency_ms=100),
                "shared_cores": False,
                "capacity": {
                    **dict.fromkeys(("lambda_low", "verified_at", "p50_ms", "p95_ms", "p99_ms", "idle_p50_ms"), 1.0),
                    **dict.fromkeys(("cpu_cores_mean", "cpu_cores_peak", "memory_mb_peak", "seed", "seconds"), 1),
                    **numbers,
                    **capacity,
                    "feasible": rate > 0,
                },
            }
        )


def _none_held(cell: Cell) -> Cell:
    nothing = {"feasible": False, "method": "infeasible", "lambda_max": 0.0, "lambda_low": 0.0, "lambda_high": 0.0}
    return cell.model_copy(update={"capacity": cell.capacity.model_copy(update=nothing)})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--surfaces", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the first surface; the others follow it")
    arguments = parser.parse_args()
    tried = [_one(seed) for seed in range(arguments.seed, arguments.seed + arguments.surfaces)]
    runs = [run for run in tried if run is not None]
    share, regret = [run["share"] for run in runs], [run["regret"] for run in runs]
    figures = {
        "simulated": True,
        "surfaces": len(runs),
        "options": len(OPTIONS),
        "staged_min": round(fmean(run["staged_s"] for run in runs) / 60, 1),
        "exhaustive_min": round(fmean(run["exhaustive_s"] for run in runs) / 60, 1),
        "time_share": round(fmean(share), 4),
        "time_share_of_searches_alone": round(fmean(run["share_of_searches"] for run in runs), 4),
        "regret_mean": round(fmean(regret), 5),
        "regret_p99": round(float(np.percentile(regret, 99)), 5),
        "regret_max": round(max(regret), 5),
        "surveyed": round(fmean(run["surveyed"] for run in runs), 1),
        "measured": round(fmean(run["measured"] for run in runs), 1),
        "verified": round(fmean(run["verified"] for run in runs), 2),
    }
    ok = figures["time_share"] <= TIME and figures["regret_mean"] <= REGRET
    print(json.dumps({**figures, "ok": ok}))
    return 0 if ok else 1


def _one(seed: int) -> dict[str, Any] | None:
    """Figures of one surface; None where no option keeps the objective, and both ways say so."""
    truth = surface(seed)
    machine = Machine(truth, np.random.default_rng(10_000 + seed), np.random.default_rng(20_000 + seed))
    costs = {o.name: o.price / truth[o.name].lambda_max for o in OPTIONS if truth[o.name].lambda_max}
    try:
        found: Found = staged(OPTIONS, machine)
    except Refused:
        if costs:
            raise
        return None
    able = len(costs)
    idle_s = len(OPTIONS) * (START_S + IDLE_S)
    searches_s = idle_s + able * (SATURATION_S + SEARCH_S)
    exhaustive_s = searches_s + able * VERIFY_S
    return {
        "staged_s": machine.seconds,
        "exhaustive_s": exhaustive_s,
        "share": machine.seconds / exhaustive_s,
        "share_of_searches": machine.seconds / searches_s,
        "regret": costs[found.cell.option.name] / min(costs.values()) - 1,
        "surveyed": found.surveyed,
        "measured": found.measured,
        "verified": found.verified,
    }


if __name__ == "__main__":
    sys.exit(main())
