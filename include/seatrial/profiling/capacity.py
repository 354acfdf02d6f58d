"""How much load one replica carries: idle, saturation, then levels of Poisson load. Source: methods, section 1."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from seatrial.client.transport import EncodedRequest
from seatrial.errors import ServerFailed
from seatrial.profiling.cell import Capacity, Level, Objective
from seatrial.profiling.cpu_gauges import Usage, watch
from seatrial.profiling.gpu_gauges import GpuUse, watch_gpu
from seatrial.profiling.load import LoadResult, closed_loop, open_loop
from seatrial.profiling.queue_model import service_times
from seatrial.profiling.search import Search

Progress = Callable[[str], None]

IDLE_S = 1.0
SATURATION_S = 5.0  # each answer is a service time that the model knows
LEVEL_S = (4.0, 14.0)  # shortest and longest level
HIGHER = 1.1  # upper end of the interval above the answer where no level failed


@dataclass
class Bench:
    """One server under measurement: where it is, what to send, and what was seen so far. `gpu` is the UUID of the GPU
    that it computes on."""

    address: str
    pid: int | None
    requests: Sequence[EncodedRequest]
    instances: int
    objective: Objective
    progress: Progress
    seed: int
    gpu: str | None = None
    max_batch: int = 1
    levels: list[Level] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    gpu_use: GpuUse | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def limit_s(self) -> float:
        return self.objective.latency_ms / 1000

    @property
    def allowed(self) -> float:
        """Share of requests that may be late."""
        return 1 - self.objective.percentile / 100


def measure_capacity(bench: Bench) -> Capacity:
    """Typically 20 s. Raises ServerFailed when the server fails requests while idle or under a closed loop."""
    began = time.monotonic()
    idle = _closed(bench, concurrency=1, seconds=IDLE_S, least=30)
    idle_ms = idle.percentile_ms(50)
    bench.progress(f"idle: p50 {idle_ms:.1f} ms")
    if idle_ms > bench.objective.latency_ms:
        bench.notes.append(f"idle p50 {idle_ms:.1f} ms is above the objective {bench.objective.latency_ms:g} ms")
        search = Search(idle.rate, bench.instances, bench.limit_s, bench.objective.percentile)
        return _result(bench, "infeasible", search, idle, idle_ms, began)
    full = _closed(bench, concurrency=max(4, 3 * bench.instances * bench.max_batch), seconds=SATURATION_S, least=40)
    bench.progress(f"saturation: {full.rate:.1f} requests/s")
    search = Search(full.rate, bench.instances, bench.limit_s, bench.objective.percentile)
    search.learn(service_times(idle.sent_s, idle.latency_s, 1) + _services(bench, full))
    best = idle
    while search.method is None:
        rate = search.next_rate()
        found = _level(bench, search, rate)
        held = _holds(bench, found)
        search.decide(rate, held=held)
        best = found if held and rate == search.low else best
    if search.method == "infeasible":
        bench.notes.append(f"no level down to {search.high:.1f} requests/s kept the objective")
    else:
        bench.progress(f"verified {best.rate:.1f} requests/s: p99 {best.percentile_ms(99):.1f} ms")
        _note_chance(bench, best)
    return _result(bench, search.method, search, best, idle_ms, began)


def _level(bench: Bench, search: Search, rate: float) -> LoadResult:
    """One level, which the search learns from. When it fails and the queue model, knowing it, still says that it should
    not, it goes on for as long again before that is believed: other work comes in bursts."""
    found = _open(bench, rate)
    search.learn(_services(bench, found))
    if _holds(bench, found) or found.aborted or found.failed or search.predicted < rate:
        return found
    again = _open(bench, rate)
    search.learn(_services(bench, again))
    return again if again.aborted or again.failed else found.then(again)


def _holds(bench: Bench, found: LoadResult) -> bool:
    return found.keeps(bench.limit_s, bench.allowed)


def _note_chance(bench: Bench, found: LoadResult) -> None:
    """Say so when a level counts as kept although more were late in it than the objective allows."""
    late, groups = found.late(bench.limit_s)
    if late > bench.allowed * len(found.latency_s):
        bench.notes.append(
            f"at {found.rate:.1f} requests/s {late} of {len(found.latency_s)} were late, in {groups} burst(s):"
            f" no proof of more than {bench.allowed:.1%}"
        )


def _services(bench: Bench, found: LoadResult) -> list[float]:
    return service_times(found.sent_s, found.latency_s, bench.instances)


def _closed(bench: Bench, *, concurrency: int, seconds: float, least: int) -> LoadResult:
    with watch(bench.pid) as usage, watch_gpu(bench.gpu) as gauge:
        found = closed_loop(bench.address, bench.requests, concurrency=concurrency, seconds=seconds, least=least)
    _keep(bench, found, usage, gauge.use())
    if found.failed and not len(found.latency_s):
        raise ServerFailed(f"the server answers nothing under load: {found.reasons[0]}")
    return found


def _open(bench: Bench, rate: float) -> LoadResult:
    shortest, longest = LEVEL_S
    seconds = min(max(shortest, 300 / rate, 20 * bench.limit_s), longest)
    bound = int(3 * rate * bench.limit_s) + 5 * bench.instances * bench.max_batch + 20
    bench.seed += 1
    with watch(bench.pid) as usage, watch_gpu(bench.gpu) as gauge:
        found = open_loop(bench.address, bench.requests, rate=rate, seconds=seconds, seed=bench.seed, bound=bound)
    _keep(bench, found, usage, gauge.use())
    late = found.late_share(bench.limit_s)
    bench.progress(f"{rate:.1f} requests/s for {seconds:.0f} s: p99 {found.percentile_ms(99):.1f} ms, {late:.2%} late")
    behind_ms = float(np.percentile(found.lateness_s, 99)) * 1000 if len(found.lateness_s) else 0.0
    if behind_ms > 0.1 * bench.objective.latency_ms:
        bench.notes.append(f"at {rate:.1f} requests/s the generator was up to {behind_ms:.1f} ms behind its schedule")
    return found


def _keep(bench: Bench, found: LoadResult, usage: Usage, gpu: GpuUse) -> None:
    if bench.gpu is not None:
        bench.gpu_use = gpu
        if gpu.throttled:
            bench.notes.append(f"at {found.rate:.1f} requests/s the GPU was throttled: {', '.join(gpu.throttled)}")
    bench.usage.cores_peak = max(bench.usage.cores_peak, usage.cores_peak)
    bench.usage.cores_mean = usage.cores_mean
    bench.usage.memory_mb_peak = max(bench.usage.memory_mb_peak, usage.memory_mb_peak)
    bench.levels.append(
        Level(
            rate=round(found.rate, 2),
            p50_ms=round(found.percentile_ms(50), 3),
            p99_ms=round(found.percentile_ms(99), 3),
            late_share=round(found.late_share(bench.limit_s), 5),
            cpu_cores=round(usage.cores_mean, 3),
            memory_mb=round(usage.memory_mb_peak, 1),
        )
    )


def _result(bench: Bench, method: str, search: Search, at: LoadResult, idle_ms: float, began: float) -> Capacity:
    return Capacity.model_validate(
        {
            "feasible": method != "infeasible",
            "method": method,
            "mu": round(search.mu, 2),
            "lambda_max": round(search.answer, 2),
            "lambda_low": round(search.low, 2),
            "lambda_high": round(min(search.high, HIGHER * search.answer), 2),
            "verified_at": round(at.rate, 2),
            "p50_ms": round(at.percentile_ms(50), 3),
            "p95_ms": round(at.percentile_ms(95), 3),
            "p99_ms": round(at.percentile_ms(99), 3),
            "idle_p50_ms": round(idle_ms, 3),
            "cpu_cores_mean": round(bench.usage.cores_mean, 3),
            "cpu_cores_peak": round(bench.usage.cores_peak, 3),
            "memory_mb_peak": round(bench.usage.memory_mb_peak, 1),
            "gpu": bench.gpu_use,
            "seed": bench.seed,
            "seconds": round(time.monotonic() - began, 2),
            "notes": tuple(bench.notes),
            "levels": tuple(bench.levels),
        }
    )
