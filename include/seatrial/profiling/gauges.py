"""What the machine did in one window of load, as it is kept (pure). Cores are CPU seconds per second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from seatrial.profiling.readings import CpuWindow, Reading
from seatrial.profiling.sampling import EVERY_S, thinned


class Curve(BaseModel):
    """The window over time, one entry a sample, of long windows every so many: `at_s` since it began. The cores are
    those since the entry before, `rss_mb` the resident memory of all processes of the server then."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    at_s: tuple[float, ...] = ()
    server_user_cores: tuple[float, ...] = ()
    server_system_cores: tuple[float, ...] = ()
    others_cores: tuple[float | None, ...] = ()
    rss_mb: tuple[float, ...] = ()


class Gauges(BaseModel):
    """The server is its process and all below it; the load generator is ours, and all below it but the server.

    `others_cores`: what anything else used of the server's cores; `steal_cores`: what the host of this virtual machine
    gave to others of them; `throttled_cores`: what a CPU quota held back. None: not known. `pss_mb`, after the load, is
    memory with each shared page divided among those who share it. A switch is voluntary where a thread waits, and
    involuntary where another takes its core. Instructions per cycle and misses of the last cache are of the server's
    cores, whoever ran there: few instructions a cycle and many misses are a server that waits for memory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seconds: float
    server_user_cores: float
    server_system_cores: float
    server_cores_peak: float
    generator_user_cores: float
    generator_system_cores: float
    others_cores: float | None = None
    steal_cores: float | None = None
    throttled_cores: float | None = None
    throttled_per_s: float | None = None
    rss_mb_peak: float
    pss_mb: float | None = None
    voluntary_switches_per_s: float
    involuntary_switches_per_s: float
    instructions_per_cycle: float | None = None
    cache_misses_per_s: float | None = None
    curve: Curve = Curve()


def gauges_of(window: CpuWindow) -> Gauges:
    """The figures of a window that has at least its first and its last reading and edge."""
    first, last, (begin, end) = window.readings[0], window.readings[-1], window.edges
    seconds = max(last.at_s - first.at_s, 1e-9)
    voluntary, involuntary = (
        max(0, after - before) for before, after in zip(begin.switches, end.switches, strict=True)
    )
    throttled = None if begin.throttled is None or end.throttled is None else (begin.throttled, end.throttled)
    return Gauges(
        seconds=round(seconds, 3),
        server_user_cores=_cores(first.server.user_s, last.server.user_s, seconds),
        server_system_cores=_cores(first.server.system_s, last.server.system_s, seconds),
        server_cores_peak=_peak(window.readings),
        generator_user_cores=_cores(first.generator.user_s, last.generator.user_s, seconds),
        generator_system_cores=_cores(first.generator.system_s, last.generator.system_s, seconds),
        others_cores=others_cores(first, last, beside=window.generator_beside),
        steal_cores=_cores(first.cores.steal_s, last.cores.steal_s, seconds) if first.cores and last.cores else None,
        throttled_cores=_cores(throttled[0].seconds, throttled[1].seconds, seconds) if throttled else None,
        throttled_per_s=_cores(throttled[0].times, throttled[1].times, seconds) if throttled else None,
        rss_mb_peak=round(max(reading.rss_mb for reading in window.readings), 1),
        pss_mb=end.pss_mb,
        voluntary_switches_per_s=round(voluntary / seconds, 1),
        involuntary_switches_per_s=round(involuntary / seconds, 1),
        instructions_per_cycle=_per_cycle(window.counts),
        cache_misses_per_s=_per_second(window.counts.get("cache_misses"), seconds),
        curve=_curve(window),
    )


def others_cores(before: Reading, after: Reading, *, beside: bool) -> float | None:
    """What neither the server nor, where it runs `beside`, the load generator used of the server's cores."""
    if before.cores is None or after.cores is None:
        return None
    groups = [(before.server, after.server), *([(before.generator, after.generator)] if beside else [])]
    known_s = sum(b.user_s + b.system_s - a.user_s - a.system_s for a, b in groups)
    busy_s = after.cores.busy_s - before.cores.busy_s
    return _cores(known_s, busy_s, after.at_s - before.at_s)


def _cores(before_s: float, after_s: float, seconds: float) -> float:
    return round(max(0.0, after_s - before_s) / max(seconds, 1e-9), 4)


def _per_cycle(counts: Mapping[str, float]) -> float | None:
    if "instructions" not in counts or not counts.get("cycles"):
        return None
    return round(counts["instructions"] / counts["cycles"], 3)


def _per_second(count: float | None, seconds: float) -> float | None:
    return None if count is None else round(count / seconds, 1)


def _server_s(reading: Reading) -> float:
    return reading.server.user_s + reading.server.system_s


def _peak(readings: Sequence[Reading]) -> float:
    """Of the samples; of the whole window where it is too short for one."""
    steps = [(a, b) for a, b in pairwise(readings) if b.at_s - a.at_s >= EVERY_S / 2] or [(readings[0], readings[-1])]
    return max(_cores(_server_s(a), _server_s(b), b.at_s - a.at_s) for a, b in steps)


def _curve(window: CpuWindow) -> Curve:
    kept = thinned(window.readings)
    steps = list(pairwise(kept))
    return Curve(
        at_s=tuple(round(after.at_s - kept[0].at_s, 2) for _, after in steps),
        server_user_cores=tuple(_cores(a.server.user_s, b.server.user_s, b.at_s - a.at_s) for a, b in steps),
        server_system_cores=tuple(_cores(a.server.system_s, b.server.system_s, b.at_s - a.at_s) for a, b in steps),
        others_cores=tuple(others_cores(a, b, beside=window.generator_beside) for a, b in steps),
        rss_mb=tuple(round(after.rss_mb, 1) for _, after in steps),
    )
