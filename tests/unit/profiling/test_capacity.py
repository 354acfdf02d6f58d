"""What a measured capacity says about itself."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.profiling.bench import Bench
from seatrial.profiling.capacity import VERIFY_S, verify_capacity
from seatrial.profiling.cell import Capacity, Level, Objective
from seatrial.profiling.gpu_gauges import GpuUse
from seatrial.profiling.load import LoadResult
from seatrial.profiling.queue import Queue
from seatrial.profiling.queue_model import latencies
from seatrial.profiling.search import FAR
from tests.unit.autoscale.test_derive_and_choose import cell
from tests.unit.profiling.test_quiet import gauges


@pytest.mark.parametrize(("late", "notes"), [(2, 0), (5, 1)])
def test_a_level_that_only_chance_excuses_says_so_with_its_numbers(late: int, notes: int) -> None:
    bench = Bench("127.0.0.1:1", None, [], 1, Objective(percentile=99, latency_ms=200), lambda _: None, seed=1)
    latency = np.array([0.5] * late + [0.05] * (300 - late))
    bench.note_chance(LoadResult(10.0, 30.0, latency, np.arange(300) / 10, np.zeros(300), 0, (), False))
    assert len(bench.notes) == notes
    if notes:
        assert bench.notes == ["at 10.0 requests/s 5 of 300 were late, in 1 burst(s): no proof of more than 1.0%"]


class Simulated(Bench):
    """A server that takes 10 ms a request up to `carries` requests/s, and `above_s` beyond it, as beside other work,
    where each answer is on its way for `delay_s` too, which says nothing about the time a request takes."""

    carries, above_s, delay_s = 60.0, 0.025, 0.0

    def open(self, rate: float, seconds: float | None = None) -> LoadResult:
        service_s, requests = 0.01 if rate <= self.carries else self.above_s, int(rate * (seconds or 4.0))
        sent = np.cumsum(np.random.default_rng(1).exponential(1.0, requests)) / rate  # as `latencies` has them
        latency = latencies(rate, [service_s], Queue(), requests=requests, seed=1)
        latency += 0.0 if rate <= self.carries else self.delay_s
        found = LoadResult(rate, sent[-1], latency, sent, np.zeros(requests), 0, (), False)
        self._keep("level", found, gauges(), GpuUse(), None)
        return found


SATURATED = Level(
    rate=100,
    p50_ms=20,
    p99_ms=40,
    late_share=0,
    cpu_cores=1,
    memory_mb=700,
    gauges=gauges(figures={"server_cores_peak": 1.0}),
)
BEFORE = cell(idle_p50_ms=10.0, services_ms=(10.0,) * 500, lam=80.0, seed=5, seconds=9, levels=[SATURATED]).capacity


def verified(carries: float, above_s: float = 0.025, delay_s: float = 0.0) -> Capacity:
    """For an answer of 80 before."""
    bench = Simulated("127.0.0.1:1", None, [], 1, Objective(percentile=99, latency_ms=100), lambda _: None, seed=1)
    bench.carries, bench.above_s, bench.delay_s = carries, above_s, delay_s
    return verify_capacity(bench, BEFORE)


def test_an_answer_that_a_long_level_keeps_stays() -> None:
    found = verified(carries=90)
    assert (found.lambda_max, found.lambda_high) == (80.0, 84.0)
    assert 0 < found.p50_low_ms < found.p50_ms < found.p50_high_ms
    assert found.p99_low_ms < found.p99_ms < found.p99_high_ms


def test_what_an_overload_taught_the_model_does_not_throw_the_answer_far_down() -> None:
    found = verified(carries=60)
    assert found.lambda_max <= 60 < found.lambda_high <= FAR * found.lambda_max


@pytest.mark.parametrize("carries", [79, 70, 60, 50, 40, 34])
def test_what_became_slower_for_a_reason_that_the_model_does_not_see_is_found_below(carries: float) -> None:
    found = verified(carries=carries, above_s=0.01, delay_s=0.2)
    assert found.feasible
    assert found.lambda_max <= carries < found.lambda_high <= 1.6 * found.lambda_max


def test_an_option_that_kept_no_long_level_has_had_one() -> None:
    found = verified(carries=0, above_s=0.2)
    assert (found.feasible, found.method, found.lambda_max, found.verified_s) == (False, "infeasible", 0.0, VERIFY_S)


def test_a_later_stage_goes_on_with_the_seeds_and_adds_its_seconds() -> None:
    """The same seed again would be the same arrivals: a level that was kept by chance would be kept once more."""
    found = verified(carries=90)
    assert found.seed == BEFORE.seed
    assert found.seconds >= BEFORE.seconds


def test_the_peaks_of_an_earlier_stage_stay() -> None:
    found = verified(carries=90)
    assert (found.cpu_cores_peak, found.memory_mb_peak) == (1.0, 700.0)


def test_each_level_keeps_what_the_gpu_did_in_it() -> None:
    """The last window's figures say nothing of saturation."""
    bench = Bench("127.0.0.1:1", None, [], 1, Objective(latency_ms=100), lambda _: None, seed=1, gpu="GPU-a")
    found = LoadResult(10.0, 30.0, np.full(300, 0.05), np.arange(300) / 10, np.zeros(300), 0, (), False)
    for percent in (97.0, 40.0):
        bench._keep("level", found, gauges(), GpuUse(kernel_percent_mean=percent), None)
    assert [level.gpu.kernel_percent_mean for level in bench.levels if level.gpu] == [97.0, 40.0]
