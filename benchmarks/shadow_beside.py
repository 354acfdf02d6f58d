"""What Production's own clients notice of a comparison: `make bench-shadow-beside`.

A network serves in Production on one core and in Staging on another. Production gets Poisson load at `--share` of what
it carries, in windows of `--seconds`, every other one with a comparison beside it that takes the default share of
Production's time. Client, comparison and Staging's server share the other core of a small machine, so that the client
runs at a real-time priority: what it measures is Production.

The last line is one JSON object: `p50`, `p95` and `p99`, in ms, without and with a comparison, over all windows;
`ratio` of the p99 with its 90 % interval (`low`, `high`), by bootstrap of pairs of windows; `compared`, requests that
were. `ok`: the ratio is at most 1.05.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import shadow_variants as variants
from benchmarks.shadow import LIMIT_MS, Bench
from benchmarks.shadow_subjects import SUBJECTS
from benchmarks.stopping import end_by_sigterm
from seatrial.client.transport import encode
from seatrial.profiling.arrivals import POISSON
from seatrial.profiling.load import at_moments, closed_loop, moments
from seatrial.serving.local import LocalBackend
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.shadow.burden import Burden
from seatrial.shadow.limits import limits_for
from seatrial.shadow.replay import Replay
from seatrial.shadow.report import Subject
from seatrial.shadow.sides import Request, Side
from seatrial.tensors import Array
from seatrial.uploads.comparison import PRODUCTION_SHARE
from seatrial.waiting import Deadline

RATIO = 1.05
RESAMPLES = 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=Path, default=Path(".seatrial/networks"))
    parser.add_argument("--subject", choices=SUBJECTS, default="text-recognition")
    parser.add_argument("--share", type=float, default=0.5, help="of Production's saturation")
    parser.add_argument("--pairs", type=int, default=24, help="of windows, one with and one without a comparison")
    parser.add_argument("--seconds", type=float, default=15.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name:
        backend = LocalBackend(Path(name) / "servers", TritonInstallation.find(None, Path(name) / "triton"))
        backend.adopt()
        try:
            (home := Path(name) / arguments.subject).mkdir()
            bench = Bench(home, backend, SUBJECTS[arguments.subject], arguments.networks, requests=50)
            changed = variants.save(variants.same, bench.network, home / "again.onnx")
            with bench.serving(bench.network) as first, bench.serving(changed) as second:
                figures = _measured(first, second, bench.requests, arguments)
        finally:
            backend.close(stop_servers=True)
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


def _measured(first: Side, second: Side, requests: list[Request], arguments: argparse.Namespace) -> dict[str, Any]:
    context = mp.get_context("spawn")
    here, there = context.Pipe()
    comparing = context.Process(target=_compare, args=(there, first, second, requests), daemon=True)
    comparing.start()
    here.recv()
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    payload = [encode(first.model, first.version, request.inputs) for request in requests]
    full = closed_loop(first.address, payload, concurrency=4, seconds=5.0, least=40)
    rate = arguments.share * full.rate
    print(f"Production saturates at {full.rate:.1f} requests/s, and gets {rate:.1f}", flush=True)
    windows: dict[bool, list[Array]] = {False: [], True: []}
    compared = 0
    for number in range(2 * arguments.pairs):
        beside = number % 4 in (1, 2)  # without, with, with, without: a drift meets both alike
        if beside:
            here.send(arguments.seconds)
        intended = moments(POISSON, rate, arguments.seconds, number // 2)
        level = at_moments(first.address, payload, intended, rate=rate, seconds=arguments.seconds, bound=5000)
        compared = here.recv() if beside else compared
        windows[beside].append(level.latency_s * 1000)
        print(f"  {'with' if beside else 'without':8}p99 {level.percentile_ms(99):.1f} ms", flush=True)
    here.send(None)
    comparing.join()
    return _figures(windows, compared)


def _figures(windows: dict[bool, list[Array]], compared: int) -> dict[str, Any]:
    random, pairs = np.random.default_rng(1), len(windows[True])

    def p99(beside: bool, chosen: Array) -> float:
        return float(np.percentile(np.concatenate([windows[beside][int(one)] for one in chosen]), 99))

    drawn = [random.integers(pairs, size=pairs) for _ in range(RESAMPLES)]
    ratios = [p99(True, chosen) / p99(False, chosen) for chosen in drawn]
    everything = np.arange(pairs)
    ratio = p99(True, everything) / p99(False, everything)
    low, high = np.quantile(ratios, [0.05, 0.95])
    shown = {
        "with" if beside else "without": {
            f"p{p}": round(float(np.percentile(np.concatenate(found), p)), 2) for p in (50, 95, 99)
        }
        for beside, found in windows.items()
    }
    return {
        **shown,
        "ratio": round(ratio, 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "compared": compared,
        "ok": ratio <= RATIO,
    }


def _compare(there: Connection, first: Side, second: Side, requests: list[Request]) -> None:
    """A process of its own: for each number of seconds that it is told, as much of a comparison as they allow."""
    os.nice(10)
    subject = Subject(model="network", staging=2, production=1, reference=None)
    limits = limits_for({"max_requests": 100_000, "min_requests": 100_000, "latency_ratio": 100.0})
    burden = Burden(PRODUCTION_SHARE, LIMIT_MS, 99)
    replay = Replay(lambda: first, lambda: second, limits, burden, subject=subject, progress=lambda _: None)
    there.send("ready")
    while (seconds := there.recv()) is not None:
        there.send(replay.extend(requests, Deadline.after(seconds)).counts.sent)


if __name__ == "__main__":
    end_by_sigterm()
    sys.exit(main())
