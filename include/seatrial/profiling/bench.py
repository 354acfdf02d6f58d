"""One server under measurement: windows of load on it, with what CPU, memory and GPU did meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from seatrial.client.transport import EncodedRequest, GrpcTransport, ModelStatistics
from seatrial.errors import MachineNotQuiet, ServerFailed
from seatrial.profiling.cell import Kind, Level, Objective
from seatrial.profiling.cpu_gauges import watch
from seatrial.profiling.driving import Driver, Load
from seatrial.profiling.gauges import Gauges, gauges_of
from seatrial.profiling.generator import LoadGenerator
from seatrial.profiling.gpu_gauges import GpuUse, watch_gpu
from seatrial.profiling.load import LoadResult
from seatrial.profiling.quiet import OTHER_WORK_CORES, Quiet, why_not_quiet

Progress = Callable[[str], None]

LEVEL_S = (4.0, 14.0)  # shortest and longest level
WINDOWS = 3  # that are tried until one is quiet


@dataclass
class Bench:
    """One server under measurement: where it is, what to send, and what was seen so far. `gpu` is the UUID of the GPU
    that it computes on.

    `core_set`: the server's cores; without them other work goes unseen. `other_work_cores`: what that may use of them
    (see `quiet`); None where the machine is known to have other work: then it is noted and nothing is discarded.
    `neighbours`: other replicas on its GPU, which get the load that it gets, whenever it gets any.
    """

    address: str
    pid: int | None
    requests: Sequence[EncodedRequest]
    instances: int
    objective: Objective
    progress: Progress
    seed: int
    gpu: str | None = None
    max_batch: int = 1
    core_set: Sequence[int] = ()
    other_work_cores: float | None = OTHER_WORK_CORES
    neighbours: Driver | None = None
    generator: LoadGenerator = field(init=False)
    levels: list[Level] = field(default_factory=list)
    seen: list[tuple[Kind, LoadResult, Gauges]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.generator = LoadGenerator(self.address, self.requests, self.objective.gaps)

    @property
    def limit_s(self) -> float:
        return self.objective.latency_ms / 1000

    def counted(self) -> ModelStatistics:
        """What the server counted of the model until now."""
        with GrpcTransport() as transport:
            return transport.model_statistics(self.address, self.requests[0].model, self.requests[0].version)

    def idle(self, *, seconds: float, least: int) -> LoadResult:
        """One request at a time, while the neighbours have none. Raises as `closed`."""
        return self._closed("idle", None, concurrency=1, seconds=seconds, least=least)

    def closed(self, *, concurrency: int, seconds: float, least: int) -> LoadResult:
        """A window of closed loop. Raises ServerFailed when nothing is answered, MachineNotQuiet."""
        load = Load(concurrency=concurrency)
        return self._closed("saturation", load, concurrency=concurrency, seconds=seconds, least=least)

    def _closed(self, kind: Kind, beside: Load | None, *, concurrency: int, seconds: float, least: int) -> LoadResult:
        found = self._quiet_window(
            kind, partial(self.generator.closed, concurrency=concurrency, seconds=seconds, least=least), beside
        )
        if found.failed and not len(found.latency_s):
            raise ServerFailed(f"the server answers nothing under load: {found.reasons[0]}")
        return found

    def open(self, rate: float, seconds: float | None = None) -> LoadResult:
        """A level of open-loop load at `rate` requests/s; how long is, unless said, a matter of rate and objective.
        Raises MachineNotQuiet."""
        shortest, longest = LEVEL_S
        seconds = seconds or min(max(shortest, 300 / rate, 20 * self.limit_s), longest)
        bound = int(3 * rate * self.limit_s) + 5 * self.instances * self.max_batch + 20
        self.seed += 1
        found = self._quiet_window(
            "level",
            partial(self.generator.open, rate=rate, seconds=seconds, seed=self.seed, bound=bound),
            Load(rate=rate, bound=bound, seed=1000 * self.seed),
        )
        late, p99_ms = found.late_share(self.limit_s), found.percentile_ms(99)
        self.progress(f"{rate:.1f} requests/s for {seconds:.0f} s: p99 {p99_ms:.1f} ms, {late:.2%} late")
        behind_ms = float(np.percentile(found.lateness_s, 99)) * 1000 if len(found.lateness_s) else 0.0
        if behind_ms > 0.1 * self.objective.latency_ms:
            if self.more_load():
                return self.open(rate, seconds)
            self.notes.append(
                f"at {rate:.1f} requests/s the generator was up to {behind_ms:.1f} ms behind its schedule"
            )
        return found

    def more_load(self) -> bool:
        """Whether the load generator, and not the server, was what the last window saturated, and has more processes
        from now on. That window counts for nothing then."""
        _, _, gauges = self.seen[-1]
        used = gauges.generator_user_cores + gauges.generator_system_cores
        if not self.generator.grow(used, self.core_set):
            return False
        self.seen.pop()
        self.levels.pop()
        self.progress(f"the load generator used {used:.2f} cores: {self.generator.processes} processes from now on")
        return True

    def holds(self, found: LoadResult) -> bool:
        return found.keeps(self.limit_s, self.objective.allowed)

    def note_chance(self, found: LoadResult) -> None:
        """Say so when a level counts as kept although more were late in it than the objective allows."""
        late, groups = found.late(self.limit_s)
        if late > self.objective.allowed * len(found.latency_s):
            self.notes.append(
                f"at {found.rate:.1f} requests/s {late} of {len(found.latency_s)} were late, in {groups} burst(s):"
                f" no proof of more than {self.objective.allowed:.1%}"
            )

    def _quiet_window(self, kind: Kind, load: Callable[[], LoadResult], beside: Load | None) -> LoadResult:
        """The load of a window in which the machine did nothing else; others are discarded. Raises MachineNotQuiet
        after three of them in a row. `beside`: what each neighbour gets meanwhile."""
        limits, why = Quiet() if self.other_work_cores is None else Quiet(self.other_work_cores), None
        for _ in range(WINDOWS):
            with self._driven(beside), watch(self.pid, self.core_set) as window, watch_gpu(self.gpu) as gauge:
                found = load()
            gauges = gauges_of(window)
            why = why_not_quiet(gauges, window.core_count, limits)
            if why is None or self.other_work_cores is None:
                self._keep(kind, found, gauges, gauge.use(), why)
                self.seen.append((kind, found, gauges))
                return found
            self._note(f"at {found.rate:.1f} requests/s a window of {found.seconds:.0f} s was discarded: {why}")
        raise MachineNotQuiet(f"machine not quiet, {WINDOWS} windows in a row: {why}", reason=why)

    @contextmanager
    def _driven(self, load: Load | None) -> Iterator[None]:
        if self.neighbours is None or load is None:
            yield
            return
        with self.neighbours.driving(load) as driven:
            yield
        if driven[0].failed:
            sent = driven[0].failed + driven[0].answered
            self._note(f"neighbours failed {driven[0].failed} of {sent} requests: {driven[0].reason}")

    def _note(self, line: str) -> None:
        self.notes.append(line)
        self.progress(line)

    def _keep(self, kind: Kind, found: LoadResult, gauges: Gauges, gpu: GpuUse, not_quiet: str | None) -> None:
        if not_quiet is not None:
            self._note(f"at {found.rate:.1f} requests/s the machine was not quiet: {not_quiet}")
        if gpu.throttled:
            self._note(f"at {found.rate:.1f} requests/s the GPU was throttled: {', '.join(gpu.throttled)}")
        self.levels.append(
            Level(
                kind=kind,
                rate=round(found.rate, 2),
                p50_ms=round(found.percentile_ms(50), 3),
                p99_ms=round(found.percentile_ms(99), 3),
                late_share=round(found.late_share(self.limit_s), 5),
                cpu_cores=round(gauges.server_user_cores + gauges.server_system_cores, 3),
                memory_mb=gauges.rss_mb_peak,
                gauges=gauges,
                gpu=None if self.gpu is None else gpu,
            )
        )
