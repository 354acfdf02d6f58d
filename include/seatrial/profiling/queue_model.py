"""What a server with known service times does under load (pure). Source: methods, capacity of one cell.

Each request, or the first of each batch, takes one service time, drawn from those that were observed (`resampling`).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np

from seatrial.profiling.arrivals import POISSON, Gaps, arrivals
from seatrial.profiling.queue import Queue
from seatrial.profiling.resampling import BLOCK, resampled
from seatrial.tensors import Array

REQUESTS, REQUESTS_OF_MANY = 200_000, 60_000
"""Simulated to tell a late share, for one worker and for several, whose simulation takes nine times as long. Late ones
come in long runs: over seeds the rates have a standard deviation of 0.5 to 0.8 % and of 1.2 to 2 %; with 20 000
requests of 2 to 4 %."""

REPLICATES, NEAR = 12, 0.05
WINDOWS, OUTSIDE = 100, 5  # simulated levels, and % of them beyond a factor of `seen_of_true`


def latencies(
    rate: float, service_s: Sequence[float], queue: Queue, *, requests: int, seed: int, gaps: Gaps = POISSON
) -> Array:
    """Simulated latencies in seconds at `rate` requests/s. Same seed, same arrivals at every rate, only closer."""
    random = np.random.default_rng(seed)
    arriving = arrivals(gaps, rate, requests, random)
    services = resampled(random, np.asarray(service_s, dtype=np.float64), requests)
    if queue.instances == queue.max_batch == 1:
        return queue.floor_s + one_worker(arriving, services)
    return queue.floor_s + _workers(arriving, services, queue)


def late_share(
    rate: float,
    service_s: Sequence[float],
    queue: Queue,
    limit_s: float,
    *,
    requests: int | None = None,
    seed: int = 1,
    gaps: Gaps = POISSON,
) -> float:
    """Share of requests that take longer than `limit_s`."""
    requests = requests or _enough(queue)
    return float(np.mean(latencies(rate, service_s, queue, requests=requests, seed=seed, gaps=gaps) > limit_s))


def highest_rate(
    service_s: Sequence[float],
    queue: Queue,
    limit_s: float,
    percentile: float,
    *,
    seed: int = 1,
    gaps: Gaps = POISSON,
) -> float:
    """The highest rate at which `percentile` % of the requests stay within `limit_s`; 0 when none does.

    Bisection below saturation to 0.5 % of the rate.
    """
    mu = queue.saturation(float(np.mean(service_s)))
    allowed = 1 - percentile / 100
    low, high = 0.01 * mu, mu
    if late_share(low, service_s, queue, limit_s, seed=seed, gaps=gaps) > allowed:
        return 0.0
    while high - low > 0.005 * high:
        middle = (low + high) / 2
        late = late_share(middle, service_s, queue, limit_s, seed=seed, gaps=gaps)
        low, high = (middle, high) if late <= allowed else (low, middle)
    return low


def relative_error(
    rate: float, service_s: Sequence[float], queue: Queue, limit_s: float, *, seed: int = 1, gaps: Gaps = POISSON
) -> float:
    """Standard error, as a share of it, of a highest `rate` that so many service times say; 1 where they are too few.

    By how much late shares at that rate differ between REPLICATES of them (bootstrap), over how much they rise with it.
    """
    if not rate or len(service_s) < 2 * BLOCK:
        return 1.0
    known, random = np.asarray(service_s, dtype=np.float64), np.random.default_rng(seed)

    def late(times: float, services: Array) -> float:
        share = late_share(times * rate, services.tolist(), queue, limit_s, seed=seed, gaps=gaps)
        return math.log(max(share, 1 / REQUESTS))

    rises = (late(1 + NEAR, known) - late(1 - NEAR, known)) / (2 * NEAR)
    replicates = [late(1.0, resampled(random, known, len(known))) for _ in range(REPLICATES)]
    return min(1.0, float(np.std(replicates, ddof=1)) / rises) if rises > 0 else 1.0


def seen_of_true(
    percentiles: Sequence[float],
    rate: float,
    service_s: Sequence[float],
    queue: Queue,
    requests: int,
    *,
    seed: int = 1,
    gaps: Gaps = POISSON,
) -> list[tuple[float, float]]:
    """For each of the latency percentiles, between which parts of the true one a level of so many requests shows it,
    in nine of ten levels. A queue remembers: what a level of some seconds says of its p99 is good to a factor, not to a
    per cent. Nor are so many service times all that there are: each level has others, drawn from them (bootstrap)."""
    known, random = np.asarray(service_s, dtype=np.float64), np.random.default_rng(seed)

    def seen(services_s: Array, requests: int, number: int) -> Array:
        waited = latencies(rate, services_s.tolist(), queue, requests=requests, seed=seed + number, gaps=gaps)
        return np.percentile(waited, percentiles)

    true = seen(known, _enough(queue), 0)
    parts = [seen(resampled(random, known, len(known)), requests, 1 + number) / true for number in range(WINDOWS)]
    lowest, highest = np.percentile(parts, [OUTSIDE / 2, 100 - OUTSIDE / 2], axis=0)
    return [(float(low), float(high)) for low, high in zip(lowest, highest, strict=True)]


def _enough(queue: Queue) -> int:
    return REQUESTS if queue.instances == queue.max_batch == 1 else REQUESTS_OF_MANY


def one_worker(arrivals: Array, services: Array) -> Array:
    """Latencies of requests that one worker answers in turn, in the unit of both. Lindley's recursion without a loop:
    waiting time is the walk's distance from its running minimum."""
    steps = np.concatenate([[0.0], services[:-1] - np.diff(arrivals)])
    walk = np.cumsum(steps)
    waits: Array = walk - np.minimum.accumulate(walk)
    return waits + services


def _workers(arrivals: Array, services: Array, queue: Queue) -> Array:
    """Each batch goes to the worker that is free first, with all that wait then, the oldest first."""
    there = arrivals.tolist()
    free, first, done = [0.0] * queue.instances, 0, np.empty(len(there))
    for service_s in services.tolist():
        if first == len(there):
            break
        start, after = max(there[first], heapq.heappop(free)), first + 1
        while after < min(first + queue.max_batch, len(there)) and there[after] <= start:
            after += 1
        done[first:after] = start + service_s * queue.of_batch(after - first)
        heapq.heappush(free, float(done[first]))
        first = after
    return done - arrivals
