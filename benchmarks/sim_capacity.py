"""How sure can a measured capacity be? On a simulated server, without a real machine's noise: `make sim-capacity`.

A server of two modes, as `make bench-capacity` has it: 4.3 ms, and 40.3 ms for one request of twenty. `--trials` times
idle and the longest saturation that a search asks for, and what the queue model makes of them: the answer of a search
whose level agrees with the model.

The last line is one JSON object: `saturation` and `long_run`, in requests/s, the latter the rate at which as many of
200 000 requests are late as the objective allows; the answers' `mean` and standard deviation `sd` as shares of it, and
`within_5_percent`. `ok`: the mean is within 2 % of it.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np

from seatrial.profiling.capacity import IDLE_S, MORE_S, MORE_TIMES, SATURATION_S
from seatrial.profiling.observed import one_by_one, service_times
from seatrial.profiling.queue import Queue
from seatrial.profiling.queue_model import highest_rate
from seatrial.profiling.search import Search
from seatrial.tensors import Array

QUICK_S, SLOW_S, SLOW_SHARE, FLOOR_S = 0.0043, 0.0403, 0.05, 0.0006
LIMIT_S, PERCENTILE, CALLERS = 0.150, 99, 4
NEAR, SAME = 0.05, 0.02


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    arguments = parser.parse_args()
    services = drawn(np.random.default_rng(0), 400_000)
    mu = 1 / float(services.mean())
    long_run = highest_rate(services.tolist(), Queue(instances=1, floor_s=FLOOR_S), LIMIT_S, PERCENTILE)
    random = np.random.default_rng(1)
    answers = np.array([searched(random, mu) for _ in range(arguments.trials)]) / long_run
    mean = float(answers.mean())
    figures = {
        "simulated": True,
        "saturation": round(mu, 1),
        "long_run": round(long_run, 1),
        "mean": round(mean, 4),
        "sd": round(float(answers.std(ddof=1)), 4),
        "within_5_percent": round(float(np.mean(np.abs(answers - 1) <= NEAR)), 3),
        "ok": abs(mean - 1) <= SAME,
    }
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


def drawn(random: np.random.Generator, requests: int) -> Array:
    """Service times, in seconds."""
    return np.where(random.random(requests) < SLOW_SHARE, SLOW_S, QUICK_S)


def searched(random: np.random.Generator, mu: float) -> float:
    """What the queue model answers after idle, and saturation for as long as a search that stays unsure asks for it."""
    idle_sent_s, idle_s = _closed(random, round(IDLE_S * mu), 1)
    sent_s, latency_s = _closed(random, round((SATURATION_S + MORE_TIMES * MORE_S) * mu), CALLERS)
    queue = one_by_one(float(np.median(idle_s)), sent_s, latency_s, 1)
    search = Search(len(sent_s) / float((sent_s + latency_s).max()), queue, LIMIT_S, PERCENTILE)
    search.learn(service_times(idle_sent_s, idle_s, queue) + service_times(sent_s, latency_s, queue))
    return search.predicted


def _closed(random: np.random.Generator, requests: int, callers: int) -> tuple[Array, Array]:
    """Send moments and latencies of so many callers, each of which asks again when it is answered: the server never
    waits."""
    done_s = np.cumsum(drawn(random, requests)) + FLOOR_S
    sent_s = np.concatenate([np.zeros(callers), done_s[:-callers]])
    return sent_s, done_s - sent_s


if __name__ == "__main__":
    sys.exit(main())
