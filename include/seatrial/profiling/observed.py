"""What queue a server has, and what its workers took for each request, from when the answers came (pure). Source:
methods, capacity of one cell; ADR 15."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator

import numpy as np

from seatrial.client.answers import ModelStatistics
from seatrial.profiling.queue import Queue
from seatrial.tensors import Array

ENOUGH = 20  # requests by which a median is known
SOME = 0.1
"""Requests a batch by which a server that batches differs from one that does not, or is short of a full one."""


def one_by_one(idle_p50_s: float, sent_s: Array, latency_s: Array, instances: int) -> Queue:
    """The queue of a server without batches. `idle_p50_s`: median latency of requests that had it to themselves; send
    moments and latencies of others under saturation. Workers that never wait take what a request takes; what it takes
    longer without load holds none of them."""
    busy_s = service_times(sent_s, latency_s, Queue(instances=instances))
    return Queue(instances=instances, floor_s=max(0.0, idle_p50_s - float(np.median(busy_s))))


def in_batches(idle_p50_s: float, mu: float, instances: int, idle: ModelStatistics, full: ModelStatistics) -> Queue:
    """The queue of a server that batches, by what it counted while idle and in saturation, at `mu` requests/s.

    An execution of b requests takes a + k b: so it does on average, wherever b is on average. Computing is not all that
    an execution takes, so that its time for a full batch is the one that gives `mu`. Where one request without load is
    quicker than that says, as with instances that share cores, what further requests add makes up for it.
    """
    batch = full.requests / max(1, full.executions)
    alone_s = idle.compute_s / max(1, idle.executions)
    if batch < 1 + SOME or not alone_s:
        return Queue(instances=instances, floor_s=max(0.0, idle_p50_s - instances / mu))
    together_s = full.compute_s / full.executions
    each_more = min(1.0, max(0.0, (together_s / alone_s - 1) / (batch - 1)))
    takes_s = instances * batch / mu
    service_s = takes_s / (1 + (batch - 1) * each_more)
    if service_s > idle_p50_s:
        service_s, each_more = idle_p50_s, min(1.0, (takes_s / idle_p50_s - 1) / (batch - 1))
    most = max(1, math.ceil(batch - SOME))
    return Queue(
        instances=instances, max_batch=most, each_more=each_more, alone_s=service_s, floor_s=idle_p50_s - service_s
    )


def under_load(sent_s: Array, latency_s: Array, queue: Queue) -> Queue:
    """`queue` with the floor that a level shows. Who finds the server asleep wakes it, as no request of a closed loop
    does: that is what it takes longer than those that wait for a worker."""
    if queue.max_batch > 1:
        return queue
    found = list(_worked(sent_s, latency_s, queue))
    alone, after_others = ([took for took, waited in found if waited is which] for which in (False, True))
    if min(len(alone), len(after_others)) < ENOUGH:
        return queue
    waking_s = max(0.0, float(np.median(alone) - np.median(after_others)))
    return queue.model_copy(update={"floor_s": queue.floor_s + waking_s})


def service_times(sent_s: Array, latency_s: Array, queue: Queue) -> list[float]:
    """Seconds that one request takes a worker, as each execution shows it, in the order of sending.

    `sent_s` and `latency_s`: send moment and latency of each request, in any order. An execution begins when its first
    request is there and one of the workers has finished what came before: the inverse of `queue_model.latencies`.
    """
    return [took for took, _ in _worked(sent_s, latency_s, queue)]


def _worked(sent_s: Array, latency_s: Array, queue: Queue) -> Iterator[tuple[float, bool]]:
    """Of each execution what it says that one request takes, and whether it waited for a worker."""
    free = [0.0] * queue.instances
    for there, finished, requests in _executions(sent_s + queue.floor_s, sent_s + latency_s, queue):
        before = heapq.heappop(free)
        start = max(there, before)
        yield max(0.0, finished - start) / queue.of_batch(requests), before > there
        heapq.heappush(free, max(start, finished))


def _executions(there_s: Array, done_s: Array, queue: Queue) -> list[tuple[float, float, int]]:
    """For each execution when its first request was there, when it was done, and how many requests it had."""
    if queue.max_batch == 1:
        order = np.argsort(there_s, kind="stable")
        return [(there, done, 1) for there, done in zip(there_s[order].tolist(), done_s[order].tolist(), strict=True)]
    order = np.lexsort((there_s, done_s))
    there, done = there_s[order].tolist(), done_s[order].tolist()
    apart_s, found, first = queue.alone_s / 4 / queue.instances, [], 0
    for after in range(1, len(done) + 1):
        if after == len(done) or done[after] - done[after - 1] > apart_s or after - first == queue.max_batch:
            found.append((min(there[first:after]), done[after - 1], after - first))
            first = after
    return found
