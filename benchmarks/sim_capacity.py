"""How sure can a capacity and its truth be? Both on simulated servers: `make sim-capacity`.

A server of two modes, as `make bench-capacity` has it: 4.3 ms, and 40.3 ms for one request of twenty. `--trials` whole
searches of it, with nothing of a real machine's noise, and as many whole truths as that benchmark finds them, by five
levels of 45 s around the answer, and further ones where it is not among them.

The last line is one JSON object, all rates in requests/s: `long_run`, the rate at which as many are late as the
objective allows in 200 000 requests; of the searches and of the truths the `mean` and the standard deviation `sd` as
shares of it, and `within_5_percent`. `ok`: the searches' mean is within 2 % of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np

from benchmarks.capacity import (
    AROUND,
    DRAWN,
    FARTHEST,
    STEP,
    TRUTH_REQUESTS,
    TRUTH_S,
    Told,
    crossing,
    together,
    usual,
)
from seatrial.profiling.capacity import IDLE_S, SATURATION_S
from seatrial.profiling.late import bursts
from seatrial.profiling.load import LoadResult
from seatrial.profiling.observed import one_by_one, service_times
from seatrial.profiling.queue import Queue
from seatrial.profiling.queue_model import highest_rate, one_worker
from seatrial.profiling.search import Search
from seatrial.tensors import Array

QUICK_S, SLOW_S, SLOW_SHARE, FLOOR_S = 0.0043, 0.0403, 0.05, 0.0006
LIMIT_S, PERCENTILE, CALLERS, MORE_S = 0.150, 99, 4, 12.0
NEAR, SAME = 0.05, 0.02


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    arguments = parser.parse_args()
    services = drawn(np.random.default_rng(0), 400_000)
    mu = 1 / float(services.mean())
    long_run = highest_rate(services.tolist(), Queue(instances=1, floor_s=FLOOR_S), LIMIT_S, PERCENTILE)
    print(f"saturation {mu:.1f}, in the long run {long_run:.1f} requests/s", flush=True)
    random = np.random.default_rng(1)
    found = {
        "searches": _figures([searched(random) for _ in range(arguments.trials)], long_run),
        "truths": _figures([truth(random, long_run, mu) for _ in range(arguments.trials)], long_run),
    }
    for name, figures in found.items():
        print(f"  {name}: " + ", ".join(f"{key} {value:g}" for key, value in figures.items()), flush=True)
    ok = abs(found["searches"]["mean"] - 1) <= SAME
    print(
        json.dumps({"simulated": True, "saturation": round(mu, 1), "long_run": round(long_run, 1), **found, "ok": ok})
    )
    return 0 if ok else 1


def drawn(random: np.random.Generator, requests: int) -> Array:
    """Service times, in seconds."""
    return np.where(random.random(requests) < SLOW_SHARE, SLOW_S, QUICK_S)


def searched(random: np.random.Generator) -> float:
    """What the queue model says after idle, and the longest saturation that a search takes."""
    idle = _closed(random, IDLE_S, 1)
    full = _closed(random, SATURATION_S + MORE_S, CALLERS)
    queue = one_by_one(float(np.median(idle.latency_s)), full.sent_s, full.latency_s, 1)
    search = Search(full.rate, queue, LIMIT_S, PERCENTILE)
    search.learn([time_s for of in (idle, full) for time_s in service_times(of.sent_s, of.latency_s, queue)])
    return search.predicted


def _closed(random: np.random.Generator, seconds: float, callers: int) -> LoadResult:
    """So many callers, each of which asks again when it is answered, of a server that never waits."""
    services = drawn(random, int(seconds / 0.0061))
    done = np.cumsum(services) + FLOOR_S
    sent = np.concatenate([np.zeros(callers), done[:-callers]])
    took_s = float(done[-1])
    return LoadResult(len(done) / took_s, took_s, done - sent, sent, np.zeros(len(done)), 0, (), aborted=False)


def truth(random: np.random.Generator, answer: float, mu: float) -> float | None:
    """Where the levels of `make bench-capacity` cross what the objective allows; None where they do not."""
    base = int(random.integers(10**6)) * 1000
    levels = together([_told(random, AROUND[n % len(AROUND)] * answer, mu, base + 2 * DRAWN * n) for n in range(5)])
    allowed = 1 - PERCENTILE / 100
    lowest, highest = levels[0].rate / FARTHEST, levels[-1].rate * FARTHEST
    while (found := crossing(levels, allowed)) is None:
        if levels[-1].share <= allowed and levels[-1].rate < highest:
            levels = [*levels, _told(random, STEP * levels[-1].rate, mu, base)]
        elif levels[0].share > allowed and levels[0].rate > lowest:
            levels = [_told(random, levels[0].rate / STEP, mu, base), *levels]
        else:
            return None
    return found


def _told(random: np.random.Generator, rate: float, mu: float, seed: int) -> Told:
    at = usual(rate, max(TRUTH_S, TRUTH_REQUESTS / rate), mu, PERCENTILE, seed)
    late = one_worker(at, drawn(random, len(at))) + FLOOR_S > LIMIT_S
    return Told(round(rate, 2), float(late.mean()), len(at), bursts(at[late], LIMIT_S))


def _figures(rates: list[Any], long_run: float) -> dict[str, float]:
    shares = np.array([rate for rate in rates if rate]) / long_run
    return {
        "mean": round(float(shares.mean()), 4),
        "sd": round(float(shares.std(ddof=1)), 4),
        "within_5_percent": round(float(np.mean(np.abs(shares - 1) <= NEAR)), 3),
        "none": len(rates) - len(shares),
    }


if __name__ == "__main__":
    sys.exit(main())
