"""Capacity and shadow validation against real gRPC servers whose truth is known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from seatrial.client.transport import encode
from seatrial.errors import MachineNotQuiet
from seatrial.profiling import capacity
from seatrial.profiling.bench import Bench
from seatrial.profiling.capacity import measure_capacity, survey_capacity, verify_capacity
from seatrial.profiling.cell import Objective
from seatrial.profiling.cpu_gauges import watch
from seatrial.profiling.gauges import gauges_of
from seatrial.shadow.burden import Burden
from seatrial.shadow.limits import limits_for
from seatrial.shadow.replay import Replay
from seatrial.shadow.report import Subject
from seatrial.shadow.sides import Request, Side
from seatrial.waiting import Deadline
from tests.burning import burning
from tests.standins.inference_server import InferenceServer, Status, process

X = np.ones((1, 4), np.float32)


def double(tensors: dict[str, Any]) -> dict[str, Any]:
    return {"y": tensors["x"] * 2}


def _bench(address: str, latency_ms: float, said: list[str]) -> Bench:
    requests = [encode("tiny", 1, {"x": X})]
    return Bench(address, None, requests, 1, Objective(percentile=99, latency_ms=latency_ms), said.append, seed=1)


def test_capacity_finds_the_saturation_of_a_server_that_takes_ten_milliseconds() -> None:
    said: list[str] = []
    with InferenceServer(double, service_s=0.01) as address:
        found = measure_capacity(_bench(address, 100, said))
    assert found.feasible, said
    assert 60 <= found.mu <= 105, "one worker, 10 ms each"
    assert 0.3 * found.mu <= found.lambda_low <= found.lambda_max <= found.mu
    assert len(found.levels) >= 3


def test_a_server_that_fails_one_request_of_a_hundred_carries_nothing_and_the_share_is_said() -> None:
    calls: list[int] = []

    def fails(tensors: dict[str, Any]) -> dict[str, Any]:
        calls.append(1)
        if len(calls) % 100 == 0:
            raise Status("INTERNAL", "no memory for row 7")
        return double(tensors)

    with InferenceServer(fails, service_s=0.005) as address:
        found = measure_capacity(_bench(address, 100, []))
    assert (found.feasible, found.method, found.lambda_max) == (False, "infeasible", 0)
    assert "no memory for row 7" in found.notes[-1]
    assert [finding.split(":")[0] for finding in found.findings] == ["fails requests"]
    assert len(found.levels) == 2, "no lower load would change that"


def test_a_server_that_stops_now_and_then_is_told_beside_what_it_carries() -> None:
    calls: list[int] = []

    def stops() -> float:
        calls.append(1)
        return 0.1 if len(calls) % 150 == 0 else 0.005

    with InferenceServer(double, service_s=stops) as address:
        found = measure_capacity(_bench(address, 400, []))
    assert found.feasible
    assert [finding.split(":")[0] for finding in found.findings] == ["takes long for some requests"]


def test_an_objective_below_the_idle_latency_is_infeasible_with_the_figure() -> None:
    with InferenceServer(double, service_s=0.01) as address:
        found = measure_capacity(_bench(address, 5, []))
    assert (found.feasible, found.method, found.lambda_max) == (False, "infeasible", 0)
    assert "above the objective 5 ms" in found.notes[0]


def test_a_survey_a_search_from_it_and_a_long_level_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "VERIFY_S", 6.0)
    with InferenceServer(double, service_s=0.01) as address:
        surveyed = survey_capacity(_bench(address, 100, []))
        said: list[str] = []
        found = measure_capacity(_bench(address, 100, said), surveyed)
        verified = verify_capacity(_bench(address, 100, []), found)
    assert (surveyed.method, surveyed.verified_s) == ("survey", 0.0)
    assert 0.3 * surveyed.mu <= surveyed.lambda_max <= surveyed.mu
    assert not any("idle" in line or "saturation" in line for line in said), "the survey saves the start"
    assert found.mu == verified.mu == surveyed.mu
    assert found.levels[:2] == surveyed.levels
    assert len(surveyed.services_ms) > 100
    assert verified.verified_s == 6.0
    assert verified.lambda_low == verified.verified_at == verified.lambda_max <= found.lambda_max


def test_a_long_level_that_shows_less_lowers_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "VERIFY_S", 4.0)
    with InferenceServer(double, service_s=0.01) as address:
        surveyed = survey_capacity(_bench(address, 100, []))
        boast = surveyed.model_copy(update={"lambda_max": 2 * surveyed.mu, "lambda_high": 2 * surveyed.mu})
        verified = verify_capacity(_bench(address, 100, []), boast)
    assert verified.method == "live"
    assert 0 < verified.lambda_max < surveyed.mu


@pytest.fixture
def on_one_core() -> Iterator[Bench]:
    """A bench for a server in a process of its own, on one core, which the load generator keeps off."""
    everywhere = os.sched_getaffinity(0)
    core = min(everywhere)
    os.sched_setaffinity(0, {core})
    with process(0.005) as (address, server):
        os.sched_setaffinity(0, everywhere - {core} or everywhere)
        bench = _bench(address, 100, [])
        bench.pid, bench.core_set = server.pid, [core]
        yield bench
    os.sched_setaffinity(0, everywhere)


def test_beside_other_work_on_the_servers_core_there_is_no_figure_and_without_it_there_is(on_one_core: Bench) -> None:
    with burning(on_one_core.core_set):
        with pytest.raises(
            MachineNotQuiet,
            match=r"machine not quiet, 3 windows in a row: other work used [01]\.\d\d of the server's 1 core",
        ):
            survey_capacity(on_one_core)
        assert on_one_core.levels == []
        assert sum("was discarded: other work used" in note for note in on_one_core.notes) == 3
    assert survey_capacity(on_one_core).mu > 100


def test_where_other_work_is_allowed_it_is_noted_and_measured_beside(on_one_core: Bench) -> None:
    on_one_core.other_work_cores = None
    with burning(on_one_core.core_set):
        found = survey_capacity(on_one_core)
    assert found.mu > 50
    assert sum("the machine was not quiet: other work used" in note for note in found.notes) == len(found.levels) == 2


def test_a_level_keeps_what_the_server_the_generator_and_the_machine_did(on_one_core: Bench) -> None:
    on_one_core.other_work_cores = None
    found = on_one_core.open(100, 2.0)
    gauges = on_one_core.levels[-1].gauges
    assert gauges is not None
    assert len(found.latency_s) > 100
    assert 0 < gauges.server_user_cores + gauges.server_system_cores < 1
    assert 0 < gauges.generator_user_cores + gauges.generator_system_cores < 1
    assert gauges.others_cores is not None
    assert gauges.steal_cores is not None
    assert 0 < (gauges.pss_mb or 0) <= gauges.rss_mb_peak
    assert gauges.voluntary_switches_per_s > 50, "a server that waits for a hundred requests a second"
    assert gauges.curve.at_s[-1] >= 2.0
    assert len(gauges.curve.at_s) == len(gauges.curve.others_cores) == len(gauges.curve.rss_mb) >= 8


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 + 1])
def test_a_process_that_is_not_kept_to_the_cores_or_is_none_says_nothing_of_other_work(pid: int) -> None:
    with watch(pid, [4096]) as window:
        pass
    assert gauges_of(window).others_cores is None


@pytest.mark.parametrize(("fault", "verdict"), [(0.0, "PASS"), (0.01, "FAIL")])
def test_a_replay_tells_the_same_answers_from_others(fault: float, verdict: str) -> None:
    def candidate(tensors: dict[str, Any]) -> dict[str, Any]:
        return {"y": tensors["x"] * np.float32(2 + fault)}

    limits = limits_for({"latency_ratio": 20.0, "max_requests": 1500})
    requests = [Request(f"sample-{n}", "sample", {"x": X * n}) for n in range(1, 9)]
    with InferenceServer(double, service_s=0.001) as first, InferenceServer(candidate, service_s=0.001) as second:
        comparing = Replay(
            lambda: Side(first, "tiny", 1),
            lambda: Side(second, "tiny", 2),
            limits,
            Burden(share=1.0, latency_ms=100, percentile=99),
            subject=Subject(model="tiny", staging=2, production=1, reference=None),
            progress=lambda _: None,
        )
        report = comparing.extend(requests, Deadline.after(120))
    assert report.verdict == verdict, report.sentence
    assert (report.first_offending == ()) == (verdict == "PASS")
    if report.first_offending:
        offence = report.first_offending[0]
        assert (offence.layer, offence.flaw) == ("y", "values")
