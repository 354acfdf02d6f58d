"""How much load one replica carries. Source: methods, section 1; which of the three, for which option: section 2.

survey_capacity    idle and saturation, and what the queue model makes of them                     4 s
measure_capacity   that, and levels of open-loop load until they and the model agree           about 20 s
verify_capacity    a long level at the answer; lower ones until one holds                    40 s a level
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from seatrial.client.answers import ModelStatistics
from seatrial.profiling.behaviour import Seen, failures, findings
from seatrial.profiling.bench import Bench
from seatrial.profiling.cell import Capacity
from seatrial.profiling.load import LoadResult
from seatrial.profiling.observed import in_batches, one_by_one, service_times, under_load
from seatrial.profiling.queue import Queue
from seatrial.profiling.resampling import fewer
from seatrial.profiling.search import FAR, NEXT_TO, SURE, Search

IDLE_S = 1.0
SURVEY_S = 2.5
SATURATION_S = 5.0  # each answer is a service time that the model knows
MORE_S, MORE_TIMES = 4.0, 3  # more saturation, where they differ so much that the model is not SURE_ENOUGH
SURE_ENOUGH = 0.02
VERIFY_S = 40.0
VERIFIED_TIMES = 5  # which reach down to 0.42 of the answer
SOME_FAILED = 3  # requests of a level, none of whose answers a lower load would change
KEPT_SERVICES = 1000
PERCENTILES = (50, 95, 99)
NOTHING = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Latencies:
    """What a level of `rate` requests/s showed at PERCENTILES, and between what the true ones are (0: not known)."""

    rate: float
    ms: tuple[float, ...]
    low_ms: tuple[float, ...] = NOTHING
    high_ms: tuple[float, ...] = NOTHING


@dataclass(frozen=True)
class Start:
    """What the search for lambda_max begins with: latency without load, saturation with its standard error (a share of
    it), service times."""

    idle_p50_ms: float
    at: Latencies
    search: Search
    mu_error: float
    findings: tuple[str, ...] = ()
    failed: bool = False


def survey_capacity(bench: Bench) -> Capacity:
    """Saturation `mu`, and the queue model's estimate of lambda_max, which no level has shown.

    Raises ServerFailed when the server fails requests while idle or under a closed loop.
    """
    began = time.monotonic()
    start = _start(bench, SURVEY_S)
    expected = start.search.expected
    bench.progress(f"the queue model expects {expected:.1f} requests/s within the objective")
    if not expected:
        return _result(bench, start, "infeasible", NOTHING, start.at, began)
    low, high = start.search.interval_unseen()
    return _result(bench, start, "survey", (low, expected, high), start.at, began)


def measure_capacity(bench: Bench, surveyed: Capacity | None = None) -> Capacity:
    """Typically 20 s; less where `surveyed`, of the same option, saves the start. Raises as `survey_capacity`."""
    began = time.monotonic() - (0.0 if surveyed is None else surveyed.seconds)
    start = _start(bench, SATURATION_S) if surveyed is None else _known(bench, surveyed)
    start = _surer(bench, start, SATURATION_S if surveyed is None else SURVEY_S)
    if start.failed or start.idle_p50_ms > bench.objective.latency_ms:
        return _result(bench, start, "infeasible", NOTHING, start.at, began)
    search, kept = start.search, None
    while search.method is None:
        rate = search.next_rate()
        found = _level(bench, search, rate)
        held = bench.holds(found)
        search.decide(rate, held=held)
        if held and rate == search.low:
            kept = found
        if kept is None and found.failed >= SOME_FAILED:
            _note_failures(bench)
            return _result(bench, start, "infeasible", NOTHING, start.at, began)
    if kept is None:
        bench.notes.append(f"no level down to {search.high:.1f} requests/s kept the objective")
        return _result(bench, start, "infeasible", NOTHING, start.at, began)
    bench.progress(f"kept at {kept.rate:.1f} requests/s: p99 {kept.percentile_ms(99):.1f} ms")
    bench.note_chance(kept)
    low, high = search.interval()
    return _result(bench, start, search.method, (low, search.answer, high), _shown(kept, search), began)


def verify_capacity(bench: Bench, measured: Capacity) -> Capacity:
    """The measured answer under a long level, or the highest below it that one kept; infeasible when none did, down to
    0.42 of it: each step is the square of the last, since a machine that became slower is not slower by a known share.
    Where a step, or the model taught by an overload, went far below, the middle is tried too."""
    began = time.monotonic() - measured.seconds
    start, rate, high, kept = _known(bench, measured), measured.lambda_max, measured.lambda_high, None
    step = NEXT_TO
    for _ in range(VERIFIED_TIMES):
        found = bench.open(rate, VERIFY_S)
        start.search.learn(_services(found, start.search.queue))
        if bench.holds(found):
            kept = found
        else:
            high = rate
        if kept is not None and high <= FAR * kept.rate:
            break
        if kept is not None:
            rate = (kept.rate + high) / 2
        else:
            rate, step = min(rate / step, start.search.expected or rate), step**2
    if kept is None:
        bench.notes.append(f"no level of {VERIFY_S:.0f} s down to {high:.1f} requests/s kept the objective")
        shown = _result(bench, start, "infeasible", NOTHING, _latencies(found), began)
    else:
        bench.note_chance(kept)
        method = "live" if kept.rate < measured.lambda_max else measured.method
        shown = _result(bench, start, method, (kept.rate, kept.rate, high), _shown(kept, start.search), began)
    return shown.model_copy(update={"verified_s": VERIFY_S})


def _start(bench: Bench, saturation_s: float) -> Start:
    """Idle and saturation; idle alone, which then counts as saturation, where that is slower than the objective."""
    counted = [bench.counted()]
    idle = bench.idle(seconds=IDLE_S, least=30)
    counted.append(bench.counted())
    idle_ms = idle.percentile_ms(50)
    bench.progress(f"idle: p50 {idle_ms:.1f} ms")
    if idle_ms > bench.objective.latency_ms:
        bench.notes.append(f"idle p50 {idle_ms:.1f} ms is above the objective {bench.objective.latency_ms:g} ms")
        search = _search(bench, idle.rate, Queue(instances=bench.instances))
        return Start(idle_ms, _latencies(idle), search, idle.rate_error)
    full = _saturated(bench, saturation_s)
    while bench.more_load():
        counted[-1] = bench.counted()
        full = _saturated(bench, saturation_s)
    counted.append(bench.counted())
    queue = _queue(bench, idle_ms / 1000, full, counted)
    if idle.failed or full.failed:
        _note_failures(bench)
        return Start(idle_ms, _latencies(idle), _search(bench, full.rate, queue), full.rate_error, failed=True)
    bench.progress(f"saturation: {full.rate:.1f} requests/s, {queue.max_batch} at once")
    search = _search(bench, full.rate, queue)
    search.learn(_services(idle, queue) + _services(full, queue))
    return Start(idle_ms, _latencies(idle), search, full.rate_error)


def _saturated(bench: Bench, seconds: float) -> LoadResult:
    return bench.closed(concurrency=max(4, 3 * bench.instances * bench.max_batch), seconds=seconds, least=40)


def _surer(bench: Bench, start: Start, known_s: float) -> Start:
    """With more saturation than the `known_s` that it was made of, where the model is not SURE_ENOUGH of its answer."""
    for _ in range(MORE_TIMES):
        search = start.search
        if not search.predicted or search.unsure() <= SURE_ENOUGH:
            break
        more = _saturated(bench, MORE_S)
        while bench.more_load():
            more = _saturated(bench, MORE_S)
        if more.failed:
            _note_failures(bench)
            return replace(start, failed=True)
        bench.progress(f"saturation again: {more.rate:.1f} requests/s, since service times differ")
        both_s = known_s + MORE_S
        surer = _search(bench, (search.mu * known_s + more.rate * MORE_S) / both_s, search.queue)
        surer.learn(search.services_s + _services(more, search.queue))
        error = math.hypot(start.mu_error * known_s, more.rate_error * MORE_S) / both_s
        start, known_s = replace(start, search=surer, mu_error=error), both_s
    return start


def _queue(bench: Bench, idle_p50_s: float, full: LoadResult, counted: Sequence[ModelStatistics]) -> Queue:
    """`counted` by the server: before idle, after it, after saturation."""
    if bench.max_batch == 1:
        return one_by_one(idle_p50_s, full.sent_s, full.latency_s, bench.instances)
    before, between, after = counted
    return in_batches(idle_p50_s, full.rate, bench.instances, between.since(before), after.since(between))


def _known(bench: Bench, before: Capacity) -> Start:
    """What an earlier measurement of the option began with; what it noted and saw stays, and no arrivals come twice."""
    bench.levels, bench.notes, bench.seed = list(before.levels), list(before.notes), before.seed
    search = _search(bench, before.mu, before.queue or Queue(instances=bench.instances))
    search.learn([service_ms / 1000 for service_ms in before.services_ms])
    at = Latencies(
        before.verified_at,
        (before.p50_ms, before.p95_ms, before.p99_ms),
        (before.p50_low_ms, before.p95_low_ms, before.p99_low_ms),
        (before.p50_high_ms, before.p95_high_ms, before.p99_high_ms),
    )
    error = max(0.0, before.mu_high / before.mu - 1) / SURE
    return Start(before.idle_p50_ms, at, search, error, before.findings)


def _search(bench: Bench, mu: float, queue: Queue) -> Search:
    return Search(mu, queue, bench.limit_s, bench.objective.percentile, bench.objective.gaps)


def _level(bench: Bench, search: Search, rate: float) -> LoadResult:
    """One level, which the search learns from. When it fails and the queue model, knowing it, still says that it should
    not, it goes on for as long again before that is believed: other work comes in bursts."""
    found = bench.open(rate)
    search.queue = under_load(found.left_s, found.server_s, search.queue)
    search.learn(_services(found, search.queue))
    if bench.holds(found) or found.aborted or found.failed or search.predicted < rate:
        return found
    again = bench.open(rate)
    search.learn(_services(again, search.queue))
    return again if again.aborted or again.failed else found.then(again)


def _note_failures(bench: Bench) -> None:
    """No load keeps an objective that requests fail at every load."""
    bench.notes.extend(note for note in [failures(_seen(bench, None))] if note is not None)


def _seen(bench: Bench, queue: Queue | None) -> list[Seen]:
    """What the bench saw; without a `queue` no service times."""
    return [
        Seen(
            kind=kind,
            requests=len(found.latency_s) + found.failed,
            failed=found.failed,
            reason=next(iter(found.reasons), ""),
            services_s=() if queue is None else _services(found, queue),
            gauges=gauges,
        )
        for kind, found, gauges in bench.seen
    ]


def _services(found: LoadResult, queue: Queue) -> list[float]:
    return service_times(found.left_s, found.server_s, queue)


def _latencies(found: LoadResult) -> Latencies:
    return Latencies(found.rate, tuple(map(found.percentile_ms, PERCENTILES)))


def _shown(level: LoadResult, search: Search) -> Latencies:
    """What a level showed that kept the objective, with intervals by how much levels so long differ in the model."""
    at = _latencies(level)
    seen = search.seen_of_true(PERCENTILES, level.rate, len(level.latency_s))
    low_ms = tuple(ms / most for ms, (_, most) in zip(at.ms, seen, strict=True))
    high_ms = tuple(ms / least for ms, (least, _) in zip(at.ms, seen, strict=True))
    return replace(at, low_ms=low_ms, high_ms=high_ms)


def _result(
    bench: Bench, start: Start, method: str, rates: tuple[float, float, float], at: Latencies, began: float
) -> Capacity:
    """`rates`: lambda_low, lambda_max, lambda_high."""
    low, answer, high = rates
    return Capacity.model_validate(
        {
            "feasible": method != "infeasible",
            "method": method,
            "mu": round(start.search.mu, 2),
            "mu_low": round(start.search.mu * max(0.0, 1 - SURE * start.mu_error), 2),
            "mu_high": round(start.search.mu * (1 + SURE * start.mu_error), 2),
            "lambda_max": round(answer, 2),
            "lambda_low": round(low, 2),
            "lambda_high": round(high, 2),
            "verified_at": round(at.rate, 2),
            **_named("ms", at.ms),
            **_named("low_ms", at.low_ms),
            **_named("high_ms", at.high_ms),
            "idle_p50_ms": round(start.idle_p50_ms, 3),
            "cpu_cores_mean": bench.levels[-1].cpu_cores,
            "cpu_cores_peak": max(level.gauges.server_cores_peak for level in bench.levels if level.gauges),
            "memory_mb_peak": max(level.memory_mb for level in bench.levels),
            "gpu": bench.levels[-1].gpu,
            "seed": bench.seed,
            "seconds": round(time.monotonic() - began, 2),
            "notes": tuple(bench.notes),
            "findings": findings(
                _seen(bench, start.search.queue), bench.limit_s, max(1, len(bench.core_set)), start.findings
            ),
            "levels": tuple(bench.levels),
            "queue": start.search.queue,
            "services_ms": tuple(round(1000 * s, 3) for s in fewer(start.search.services_s, KEPT_SERVICES)),
        }
    )


def _named(end: str, values_ms: Sequence[float]) -> dict[str, float]:
    return {f"p{percentile}_{end}": round(ms, 3) for percentile, ms in zip(PERCENTILES, values_ms, strict=True)}
