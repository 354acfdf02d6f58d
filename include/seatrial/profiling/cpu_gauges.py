"""CPU and memory of one Inference Server, of the load generator, and of the server's cores, sampled under load.

A sample reads two files a process and one of the machine. Which processes there are, their context switches and their
proportional memory are read before and after the load only: what a server starts meanwhile counts from the end on.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from seatrial.profiling.cpu_counters import counting
from seatrial.profiling.readings import CoreTimes, CpuWindow, Edge, GroupTimes, Reading
from seatrial.profiling.sampling import EVERY_S, sampling
from seatrial.profiling.throttling import throttled

_TICKS = os.sysconf("SC_CLK_TCK")
Processes = Sequence[psutil.Process]


@dataclass(frozen=True)
class _Watched:
    server: Processes
    generator: Processes
    cores: frozenset[int]


@contextmanager
def watch(pid: int | None, core_set: Collection[int] = ()) -> Iterator[CpuWindow]:
    """Fill the yielded window while the block runs; it is complete afterwards. Without a pid the server has only zeros.

    `core_set`: the server's cores. They are left out where the process is not kept to them, or is none that we see:
    then it cannot be told what else ran there.
    """
    cores = frozenset(core_set) if pid is not None and core_set and _kept_to(pid, core_set) else frozenset[int]()
    window = CpuWindow(len(cores), bool(cores & os.sched_getaffinity(0)))
    watched = _find(pid, cores)
    window.edges.append(_edge(pid, watched.server))
    window.readings.append(_read(watched))
    try:
        with counting(cores) as window.counts, sampling(partial(_sample, watched, window), "gauges"):
            yield window
    finally:
        watched = _find(pid, cores)
        window.readings.append(_read(watched))
        window.edges.append(_edge(pid, watched.server))


def core_times(stat: str, cores: Collection[int]) -> CoreTimes | None:
    """Of those cores, from /proc/stat (pure); None unless it has each of them."""
    fields = [line.split() for line in stat.splitlines() if line.startswith("cpu")]
    found = [values for name, *values in fields if name[3:].isdigit() and int(name[3:]) in cores]
    if not cores or len(found) != len(cores):
        return None
    busy = sum(int(values[place]) for values in found for place in (0, 1, 2))  # user, nice, system
    return CoreTimes(busy / _TICKS, sum(int(values[7]) for values in found) / _TICKS)


def switches_in(status: str) -> tuple[int, int]:
    """Voluntary and involuntary context switches, from the status file of one thread (pure)."""
    counts = dict(line.split(":\t", 1) for line in status.splitlines() if "ctxt_switches" in line)
    return int(counts["voluntary_ctxt_switches"]), int(counts["nonvoluntary_ctxt_switches"])


def _sample(watched: _Watched, window: CpuWindow, stop: threading.Event) -> None:
    while not stop.wait(EVERY_S):
        window.readings.append(_read(watched))


def _find(pid: int | None, cores: frozenset[int]) -> _Watched:
    server = _tree(pid) if pid is not None else []
    return _Watched(server, [process for process in _tree(os.getpid()) if process not in server], cores)


def _tree(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def _read(watched: _Watched) -> Reading:
    cores = core_times(Path("/proc/stat").read_text(), watched.cores) if watched.cores else None
    return Reading(time.monotonic(), _times(watched.server), _times(watched.generator), _rss_mb(watched.server), cores)


def _times(processes: Processes) -> GroupTimes:
    """Of those that have ended too, as far as their parent, which is one of the group, has asked for their status."""
    user_s = system_s = 0.0
    for process in processes:
        with suppress(psutil.Error):
            times = process.cpu_times()
            user_s += times.user + times.children_user
            system_s += times.system + times.children_system
    return GroupTimes(user_s, system_s)


def _rss_mb(processes: Processes) -> float:
    memory = 0
    for process in processes:
        with suppress(psutil.Error):
            memory += process.memory_info().rss
    return memory / 1e6


def _edge(pid: int | None, server: Processes) -> Edge:
    counts = [_switches(process.pid) for process in server]
    switches = sum(count[0] for count in counts), sum(count[1] for count in counts)
    return Edge(switches, None if pid is None else throttled(pid), _pss_mb(server))


def _switches(pid: int) -> tuple[int, int]:
    """Of all threads of a process that run now."""
    voluntary = involuntary = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with suppress(OSError, KeyError):  # ended meanwhile
            found = switches_in(status.read_text(errors="replace"))
            voluntary, involuntary = voluntary + found[0], involuntary + found[1]
    return voluntary, involuntary


def _pss_mb(processes: Processes) -> float | None:
    try:
        return round(sum(process.memory_full_info().pss for process in processes) / 1e6, 1) if processes else None
    except psutil.Error:
        return None


def _kept_to(pid: int, core_set: Collection[int]) -> bool:
    with suppress(OSError):
        return os.sched_getaffinity(pid) <= set(core_set)
    return False
