"""The capacity search on real tritonservers, beside perf_analyzer's: `make bench-capacity`, or with `--only constant`.

Each subject (two networks; networks that take a known time: constant, batching, two-mode, hiccup) runs on one server.
It is searched `--searches` times by us and once, in their middle, by perf_analyzer. Then Poisson levels of 45 s or 2000
requests around our median answer tell the truth: the rate at which as many are late as the objective allows.

The last line is one JSON object: for each subject all answers, the truth, the seconds of both; and of all subjects
`within_5_percent` (share of the answers), `covered` (share of the intervals that hold the truth), `spread` (largest
difference of a subject's answers to its median), `seconds` (median) and `times_faster` than perf_analyzer. `ok`: at
least 9 of 10 within 5 %, 9 of 10 covered, spread within 5 %, at most 15 s, 10 × faster.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import perf_analyzer
from benchmarks.capacity_subjects import SUBJECTS, Kind, Place, Subject
from benchmarks.curves.server import cores
from seatrial.client.transport import encode
from seatrial.profiling.bench import Bench
from seatrial.profiling.capacity import measure_capacity
from seatrial.profiling.load import open_loop
from seatrial.serving.tritonserver import TritonInstallation

AROUND = (0.90, 0.95, 1.0, 1.05, 1.10)
TRUTH_S, TRUTH_REQUESTS = 45.0, 2000
NEAR, OFTEN, QUICK_S, FASTER = 0.05, 0.9, 15.0, 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=Path, default=Path(".seatrial/networks"))
    parser.add_argument("--searches", type=int, default=10, help="of each subject")
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    arguments = parser.parse_args()
    core, others = cores()
    found = {}
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name:
        installation = TritonInstallation.find(None, Path(name) / "triton")
        place = Place(Path(name), arguments.networks, installation, core)
        for subject in arguments.only:
            print(f"{subject}:", flush=True)
            (place.home / subject).mkdir(exist_ok=True)
            with SUBJECTS[subject].serving(place) as server:
                os.sched_setaffinity(0, {core, *others} - {server.core})
                found[subject] = _measure(place.home / subject, server, SUBJECTS[subject], arguments.searches)
                os.sched_setaffinity(0, {core, *others})
    figures = _figures(list(found.values()))
    print(json.dumps({**found, **figures}))
    return 0 if figures["ok"] else 1


def _measure(home: Path, server: Subject, kind: Kind, searches: int) -> dict[str, Any]:
    ours = [_search(server, kind, seed=100 * number) for number in range(searches // 2)]
    highest = 1.2 * max((each["mu"] for each in ours), default=1000.0)
    peer = perf_analyzer.search(home, server.address, server.model, server.request, kind.objective, highest)
    print(f"  perf_analyzer: {peer['answer']} requests/s in {peer['seconds']:.0f} s ({peer['said']})", flush=True)
    ours += [_search(server, kind, seed=100 * number) for number in range(searches // 2, searches)]
    middle = statistics.median(each["answer"] for each in ours)
    levels = [(rate, _late(server, kind, rate)) for rate in (share * middle for share in AROUND)] if middle else []
    truth = crossing(levels, 1 - kind.objective.percentile / 100)
    print(f"  truth: {'not between them' if truth is None else f'{truth:.1f} requests/s'}", flush=True)
    return {"ours": ours, "perf_analyzer": peer, "levels": levels, "truth": truth}


def _search(server: Subject, kind: Kind, seed: int) -> dict[str, Any]:
    request = encode(server.model, 1, dict(server.request))
    bench = Bench(server.address, server.pid, [request], 1, kind.objective, lambda _: None, seed,
                  max_batch=server.max_batch, core_set=(server.core,))  # fmt: skip
    found = measure_capacity(bench)
    print(f"  {found.lambda_max:.1f} requests/s [{found.lambda_low:.1f}, {found.lambda_high:.1f}] ({found.method}) of "
          f"{found.mu:.1f} in {found.seconds:.1f} s", flush=True)  # fmt: skip
    return {"answer": found.lambda_max, "low": found.lambda_low, "high": found.lambda_high, "mu": found.mu,
            "method": found.method, "seconds": found.seconds}  # fmt: skip


def _late(server: Subject, kind: Kind, rate: float) -> float:
    """Share of requests later than the objective in a long level."""
    request = encode(server.model, 1, dict(server.request))
    seconds = max(TRUTH_S, TRUTH_REQUESTS / rate)
    level = open_loop(server.address, [request], rate=rate, seconds=seconds, seed=int(rate), bound=5000)
    late = level.late_share(kind.objective.latency_ms / 1000)
    print(f"  {rate:.1f} requests/s for {seconds:.0f} s: {late:.2%} late", flush=True)
    return round(late, 5)


def crossing(levels: Sequence[tuple[float, float]], allowed: float) -> float | None:
    """The rate at which the late share is `allowed`, on the line through all levels with late requests: the logarithm
    of their share over the rate. None where the levels show none between the lowest and the highest of them."""
    late = [(rate, share) for rate, share in levels if share > 0]
    if len(late) < 2:
        return None
    rates, shares = np.array(late).T
    slope, at_zero = np.polyfit(rates, np.log(shares), 1)
    found = float((np.log(allowed) - at_zero) / slope) if slope > 0 else 0.0
    return round(found, 2) if levels[0][0] <= found <= levels[-1][0] else None


def _figures(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    answers = [(each["answer"], each["low"], each["high"], of["truth"] or 0.0) for of in found for each in of["ours"]]
    near = [abs(answer - truth) <= NEAR * truth for answer, _, _, truth in answers]
    covered = [low <= truth <= high for _, low, high, truth in answers]
    seconds = statistics.median(each["seconds"] for of in found for each in of["ours"])
    figures = {
        "within_5_percent": round(statistics.mean(near), 3),
        "covered": round(statistics.mean(covered), 3),
        "spread": max(map(_spread, found)),
        "seconds": round(seconds, 1),
        "times_faster": round(statistics.median(of["perf_analyzer"]["seconds"] for of in found) / seconds, 1),
    }
    ok = (
        min(figures["within_5_percent"], figures["covered"]) >= OFTEN
        and figures["spread"] <= NEAR
        and seconds <= QUICK_S
        and figures["times_faster"] >= FASTER
    )
    return {**figures, "ok": ok}


def _spread(of: dict[str, Any]) -> float:
    """Largest difference of an answer to the median, as a share of it."""
    answers = [each["answer"] for each in of["ours"]]
    middle = statistics.median(answers)
    return round(max(abs(answer - middle) for answer in answers) / middle, 4) if middle else 1.0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
