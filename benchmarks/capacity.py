"""The capacity search on real tritonservers, beside perf_analyzer's: `make bench-capacity`, or with `--only constant`.

Each subject (two networks; networks that take a known time: constant, batching, two-mode, hiccup) runs on one server.
It is searched `--searches` times by us and once, in their middle, by perf_analyzer. Poisson levels of 45 s (180 s where
the server's own times are chance) or 2000 requests around our first answer, one after each second search, since a
machine is not as quick all the time, and further ones where it is not among them, tell the truth: the rate at which as
many are late as the objective allows. Their arrivals are usual ones: what 45 s of Poisson arrivals make late differs
twofold by chance.

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
from typing import Any, NamedTuple

import numpy as np

from benchmarks import perf_analyzer
from benchmarks.capacity_subjects import SUBJECTS, Kind, Place, Subject
from benchmarks.curves.server import cores
from benchmarks.stopping import end_by_sigterm
from seatrial.client.transport import encode
from seatrial.profiling.arrivals import POISSON
from seatrial.profiling.bench import Bench
from seatrial.profiling.capacity import measure_capacity
from seatrial.profiling.load import at_moments, moments
from seatrial.profiling.queue_model import one_worker
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.tensors import Array

AROUND = (0.95, 1.0, 1.05)
STEP, FARTHEST = 1.05, 1.4  # beyond them, up to so many times the answer or less of it
TRUTH_REQUESTS = 2000
DRAWN = 100  # arrivals of a level, of which the most usual ones are sent
TELLING = 10.0  # times the allowed share, or a part of it: what is later than that or less is far from the truth
NEAR, OFTEN, QUICK_S, FASTER = 0.05, 0.9, 15.0, 10.0


class Told(NamedTuple):
    """What a long level of `rate` requests/s said: which share of them was late, of how many, in how many bursts."""

    rate: float
    share: float
    requests: int
    bursts: int


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
    ours: list[dict[str, Any]] = []
    levels: list[Told] = []
    peer: dict[str, Any] = {}
    for number in range(searches):
        if number == searches // 2:
            highest = 1.2 * max((each["mu"] for each in ours), default=1000.0)
            peer = perf_analyzer.search(home, server, kind.objective, highest)
            print(
                f"  perf_analyzer: {peer['answer']} requests/s in {peer['seconds']:.0f} s ({peer['said']})", flush=True
            )
        ours.append(_search(server, kind, seed=100 * number))
        if number % 2 == 0 and ours[0]["answer"]:
            rate = AROUND[number // 2 % len(AROUND)] * ours[0]["answer"]
            levels.append(_told(server, kind, rate, ours[0]["mu"], seed=DRAWN * number))
    levels = _further(server, kind, together(levels), ours[0]["mu"])
    truth = crossing(levels, kind.objective.allowed)
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


def _further(server: Subject, kind: Kind, levels: list[Told], mu: float) -> list[Told]:
    """With more levels above or below those, in ascending order, until the truth is between them, or far from them."""
    lowest, highest = (levels[0].rate / FARTHEST, levels[-1].rate * FARTHEST) if levels else (0.0, 0.0)
    while levels and crossing(levels, kind.objective.allowed) is None:
        if levels[-1].share <= kind.objective.allowed and levels[-1].rate < highest:
            levels = [*levels, _told(server, kind, STEP * levels[-1].rate, mu)]
        elif levels[0].share > kind.objective.allowed and levels[0].rate > lowest:
            levels = [_told(server, kind, levels[0].rate / STEP, mu), *levels]
        else:
            break
    return levels


def together(levels: Sequence[Told]) -> list[Told]:
    """In ascending order, those of the same rate as one."""
    found = []
    for rate in sorted({one.rate for one in levels}):
        same = [one for one in levels if one.rate == rate]
        requests = sum(one.requests for one in same)
        share = sum(one.share * one.requests for one in same) / requests
        found.append(Told(rate, round(share, 5), requests, sum(one.bursts for one in same)))
    return found


def _told(server: Subject, kind: Kind, rate: float, mu: float, seed: int = 0) -> Told:
    request = encode(server.model, 1, dict(server.request))
    seconds, limit_s = max(kind.truth_s, TRUTH_REQUESTS / rate), kind.objective.latency_ms / 1000
    intended = usual(rate, seconds, mu, kind.objective.percentile, seed)
    level = at_moments(server.address, [request], intended, rate=rate, seconds=seconds, bound=5000)
    told = Told(round(rate, 2), round(level.late_share(limit_s), 5), len(level.latency_s), level.late(limit_s)[1])
    print(f"  {rate:.1f} requests/s for {seconds:.0f} s: {told.share:.2%} late in {told.bursts} bursts", flush=True)
    return told


def usual(rate: float, seconds: float, mu: float, percentile: float, seed: int) -> Array:
    """The most usual Poisson arrivals of DRAWN: those of which a worker that takes 1/mu for each request answers as
    many later than the percentile of all of them as that percentile says. What 45 s of arrivals make late differs by
    half its size between draws, whatever the server; between those that are chosen so, and one that always takes as
    long, by a tenth."""
    drawn = [moments(POISSON, rate, seconds, seed + number) for number in range(DRAWN)]
    found = [one_worker(at, np.full(len(at), 1 / mu)) for at in drawn]
    limit = np.percentile(np.concatenate(found), percentile)
    late = np.array([np.mean(latencies > limit) for latencies in found])
    return drawn[int(np.argmin(np.abs(late - (1 - percentile / 100))))]


def crossing(levels: Sequence[Told], allowed: float) -> float | None:
    """The rate at which the late share is `allowed`, on the line through the two levels that it lies between and others
    not far off: the logarithm of their share over the rate, each with the weight of its bursts, since late ones come
    together. None where no level, in ascending order, or the first already, is later than that."""
    above = next((number for number, one in enumerate(levels) if one.share > allowed), 0)
    if not above:
        return None
    near = [
        one
        for number, one in enumerate(levels)
        if number in (above - 1, above) or allowed / TELLING <= one.share <= TELLING * allowed
    ]
    shares = np.log([max(one.share, 0.5 / one.requests) for one in near])
    weights = np.sqrt([max(one.bursts, 1) for one in near])
    slope, at_zero = np.polyfit([one.rate for one in near], shares, 1, w=weights)
    found = float((np.log(allowed) - at_zero) / slope) if slope > 0 else 0.0
    return round(found, 2) if levels[0].rate <= found <= levels[-1].rate else None


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
    end_by_sigterm()
    with suppress(KeyboardInterrupt):
        sys.exit(main())
