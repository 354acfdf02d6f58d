"""Load from several processes on real gRPC servers: together they are one generator."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import psutil
import pytest

from seatrial.client.transport import encode
from seatrial.errors import SeatrialError, ServerFailed
from seatrial.profiling.arrivals import POISSON
from seatrial.profiling.bench import Bench
from seatrial.profiling.cell import Level, Objective
from seatrial.profiling.load import LoadResult, moments
from seatrial.profiling.load_processes import closed_loops, open_loops
from seatrial.profiling.sending_process import SendingProcess
from tests.standins.inference_server import InferenceServer, Status
from tests.unit.profiling.test_quiet import gauges

NOTHING = LoadResult(0, 1, np.zeros(0), np.zeros(0), np.zeros(0), failed=0, reasons=(), aborted=False)
REQUESTS = [encode("tiny", 1, {"x": np.full((1, 4), n, np.float32)}) for n in range(3)]


def test_every_request_of_a_level_is_sent_once_by_one_of_them() -> None:
    intended = moments(POISSON, rate=150, seconds=1.5, seed=3)
    server = InferenceServer(service_s=0.001)
    with server as address:
        found = open_loops(3, address, REQUESTS, intended, rate=150, seconds=1.5, bound=300)
    assert np.allclose(np.sort(found.sent_s), intended)
    assert server.answered == len(intended) + 3, "and one each to connect"
    assert (found.rate, found.failed, found.aborted) == (150, 0, False)
    assert len(found.latency_s) == len(found.lateness_s) == len(intended)


def test_callers_of_all_processes_saturate_a_server_as_those_of_one_do() -> None:
    with InferenceServer(service_s=0.005) as address:
        found = closed_loops(2, address, REQUESTS, concurrency=5, seconds=1.0, least=10)
    assert found.rate == pytest.approx(200, rel=0.15)
    assert np.median(found.latency_s) == pytest.approx(6 * 0.005, rel=0.25), "three callers in each"


def test_what_a_process_meets_is_what_all_say() -> None:
    def broken(_: object) -> dict[str, Any]:
        raise Status("INTERNAL", "no kernel image")

    with InferenceServer(broken) as address, pytest.raises(ServerFailed, match="no kernel image"):  # type: ignore[arg-type]
        closed_loops(2, address, REQUESTS, concurrency=2, seconds=1.0, least=10)


def test_a_process_that_ends_is_an_error_and_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(psutil.Process().children())
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with InferenceServer() as address, pytest.raises(SeatrialError, match="ended with status"):
        closed_loops(2, address, REQUESTS, concurrency=2, seconds=1.0, least=10)
    assert set(psutil.Process().children()) == before


def test_a_process_says_what_it_died_of() -> None:
    with (
        SendingProcess("seatrial.profiling.no_such_module") as process,
        pytest.raises(SeatrialError, match="No module"),
    ):
        process.answer()


@pytest.mark.parametrize(
    ("used", "processes", "core_set", "then"),
    [(0.95, 1, (4,), 2), (0.5, 1, (4,), 1), (1.9, 2, (4,), 4), (3.9, 4, (4,), 4), (0.95, 1, (3,), 1)],
)
def test_a_busy_generator_gets_twice_the_processes_while_it_has_cores(
    used: float, processes: int, core_set: tuple[int, ...], then: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    bench = Bench("nowhere", None, REQUESTS, 1, Objective(latency_ms=100), print, seed=1, core_set=core_set)
    bench.generator.processes = processes
    level = Level(rate=1, p50_ms=1, p99_ms=1, late_share=0, cpu_cores=0, memory_mb=1)
    bench.levels, bench.seen = [level], [("saturation", NOTHING, gauges(figures={"generator_user_cores": used}))]
    assert bench.more_load() == (then > processes)
    assert bench.generator.processes == then
    assert len(bench.levels) == len(bench.seen) == (then == processes), (
        "a window of a busy generator counts for nothing"
    )
