"""CPU and memory of one Inference Server and its children, sampled while load is on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import psutil

from seatrial.profiling.sampling import EVERY_S, sampling


@dataclass
class Usage:
    """`cores_mean`, `cores_peak`: CPU seconds used per second; `memory_mb_peak`: resident memory of all processes."""

    cores_mean: float = 0.0
    cores_peak: float = 0.0
    memory_mb_peak: float = 0.0


@contextmanager
def watch(pid: int | None) -> Iterator[Usage]:
    """Fill the yielded Usage while the block runs; it is complete afterwards. Without a pid all stays 0."""
    usage = Usage()
    if pid is None:
        yield usage
        return
    with sampling(partial(_sample, pid, usage), "gauges"):
        yield usage


def _sample(pid: int, usage: Usage, stop: threading.Event) -> None:
    first_at, first_cpu = time.monotonic(), _read(pid)[0]
    before_at, before_cpu = first_at, first_cpu
    ended = False
    while not ended:
        ended = stop.wait(EVERY_S)
        at, (cpu, memory_mb) = time.monotonic(), _read(pid)
        usage.memory_mb_peak = max(usage.memory_mb_peak, memory_mb)
        if at - before_at >= EVERY_S / 2:
            usage.cores_peak = max(usage.cores_peak, (cpu - before_cpu) / (at - before_at))
            before_at, before_cpu = at, cpu
        usage.cores_mean = max(0.0, (cpu - first_cpu) / max(at - first_at, 1e-9))


def _read(pid: int) -> tuple[float, float]:
    """CPU seconds so far and resident megabytes of a process and its descendants; 0 for those that are gone."""
    cpu_s = memory = 0.0
    try:
        server = psutil.Process(pid)
        processes = [server, *server.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0, 0.0
    for process in processes:
        try:
            times = process.cpu_times()
            cpu_s, memory = cpu_s + times.user + times.system, memory + process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return cpu_s, memory / 1e6
