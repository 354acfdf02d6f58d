"""What a server with known service times does under Poisson load, and which they were (pure). Source: methods, capacity
of one cell.

First in, first out; `instances` workers; each request takes one service time, drawn from those that were observed. They
are drawn in blocks of neighbours, since slow ones come in bursts.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from seatrial.tensors import Array

BLOCK = 8  # observed service times that stay together; as many as one pause of the machine slows
REQUESTS, REQUESTS_OF_MANY = 200_000, 60_000
"""Simulated to tell a late share, for one worker and for several, whose simulation takes nine times as long. Late ones
come in long runs: over seeds the rates have a standard deviation of 0.5 to 0.8 % and of 1.2 to 2 %; with 20 000
requests of 2 to 4 %."""


def service_times(sent_s: Array, latency_s: Array, instances: int) -> list[float]:
    """Seconds that each request was worked on, in the order of sending: without its wait for the requests before it.

    `sent_s` and `latency_s`: send moment and latency of each request, in any order. The inverse of `latencies`: a
    request begins when one of the workers has finished what was sent before. What the machine, the network and the
    generator add to a request that did not wait counts as its service time.
    """
    free, services = [0.0] * instances, []
    for index in np.argsort(sent_s, kind="stable"):
        sent, done = float(sent_s[index]), float(sent_s[index] + latency_s[index])
        start = max(sent, heapq.heappop(free))
        services.append(max(0.0, done - start))
        heapq.heappush(free, max(start, done))
    return services


def latencies(rate: float, service_s: Sequence[float], instances: int, *, requests: int, seed: int) -> Array:
    """Simulated latencies in seconds at `rate` requests/s. Same seed, same arrivals at every rate, only closer."""
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.exponential(1.0, requests)) / rate
    services = _in_blocks(random, np.asarray(service_s, dtype=np.float64), requests)
    if instances == 1:
        return _one_worker(arrivals, services)
    free = [0.0] * instances
    done = np.empty(requests)
    for index in range(requests):
        start = max(float(arrivals[index]), heapq.heappop(free))
        done[index] = start + services[index]
        heapq.heappush(free, float(done[index]))
    return done - arrivals


def late_share(
    rate: float,
    service_s: Sequence[float],
    instances: int,
    limit_s: float,
    *,
    requests: int | None = None,
    seed: int = 1,
) -> float:
    """Share of requests that take longer than `limit_s`."""
    requests = requests or (REQUESTS if instances == 1 else REQUESTS_OF_MANY)
    return float(np.mean(latencies(rate, service_s, instances, requests=requests, seed=seed) > limit_s))


def highest_rate(
    service_s: Sequence[float], instances: int, limit_s: float, percentile: float, *, seed: int = 1
) -> float:
    """The highest rate at which `percentile` % of the requests stay within `limit_s`; 0 when none does.

    Bisection below saturation (instances / mean service time) to 0.5 % of the rate.
    """
    mu = instances / float(np.mean(service_s))
    allowed = 1 - percentile / 100
    low, high = 0.01 * mu, mu
    if late_share(mu * 0.01, service_s, instances, limit_s, seed=seed) > allowed:
        return 0.0
    while high - low > 0.005 * high:
        middle = (low + high) / 2
        late = late_share(middle, service_s, instances, limit_s, seed=seed)
        low, high = (middle, high) if late <= allowed else (low, middle)
    return low


def _in_blocks(random: np.random.Generator, observed: Array, requests: int) -> Array:
    """Circular block bootstrap: blocks of neighbours from anywhere in `observed`, each as likely as any other."""
    starts = random.integers(0, len(observed), -(-requests // BLOCK))
    drawn: Array = observed[(starts[:, None] + np.arange(BLOCK)) % len(observed)].ravel()[:requests]
    return drawn


def _one_worker(arrivals: Array, services: Array) -> Array:
    """Lindley's recursion without a loop: waiting time is the walk's distance from its running minimum."""
    steps = np.concatenate([[0.0], services[:-1] - np.diff(arrivals)])
    walk = np.cumsum(steps)
    waits: Array = walk - np.minimum.accumulate(walk)
    return waits + services
