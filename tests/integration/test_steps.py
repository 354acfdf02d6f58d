"""The steps of a run on a real manager and real Inference Servers, without Airflow, when things go badly."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quickstart.processes import Children
from quickstart.services import start_manager
from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import MachineNotQuiet, StagingTaken, UndecidedYet
from seatrial.hardware import HardwareOption
from seatrial.profiling.capacity import survey_capacity
from seatrial.served_model import ServedModel
from seatrial.shadow.report import ShadowReport
from seatrial.steps.choose_hardware import choose_hardware
from seatrial.steps.deploy import deploy, deploy_to_staging
from seatrial.steps.measuring import keep, measured, subject
from seatrial.steps.not_quiet import not_quiet
from seatrial.steps.present import deployment_of
from seatrial.steps.profile_hardware import profile_hardware
from seatrial.steps.requests import captures_of
from seatrial.steps.run import Run
from seatrial.steps.shadow_validate import shadow_validate
from seatrial.steps.staging import staging_to_displace, take_staging
from seatrial.steps.withdraw import withdraw
from seatrial.tensors import to_npz
from seatrial.waiting import Deadline, wait_until
from tests.burning import burning
from tests.rollover import one_core, registered, run_of


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def manager(home: Path) -> Iterator[ManagerAPI]:
    children = Children()
    try:
        api, _ = start_manager(children, home)
        with api:
            yield api
    finally:
        children.stop(print)


def staged(home: Path, run: Run, **manifest: Any) -> dict[str, Any]:
    """An upload that is checked, registered and in Staging."""
    version = registered(home, run, **manifest)
    deploy_to_staging(run, version["model_id"])
    return version


@pytest.fixture(scope="module")
def production(manager: ManagerAPI, home: Path) -> dict[str, Any]:
    """tiny@1 in Production."""
    run = run_of(manager, "first")
    version = staged(home, run)
    manager.move_stage("tiny", 1, "Production", who="a test", run=run.id, why="to compare with", expect_production=None)
    return version


def compared_on_traffic(**more: Any) -> dict[str, Any]:
    """Needs 4 different live requests (0.2 of 20); latencies on a busy machine are not what is tested."""
    return {
        "comparison_class": "same-graph-fp32",
        "production_share": 1.0,
        "latency_ratio": 100.0,
        "min_requests": 20,
        "live_share": 0.2,
        **more,
    }


def test_an_undecided_verdict_waits_for_live_traffic_and_goes_on_where_it_was(
    manager: ManagerAPI, home: Path, production: dict[str, Any]
) -> None:
    run = run_of(manager, "waits")
    version = staged(home, run, comparison=compared_on_traffic())
    with pytest.raises(UndecidedYet, match="0 different live requests were replayed, at least 4 are needed"):
        shadow_validate(run, version["model_id"])
    before = ShadowReport.model_validate(manager.evidence(version["model_id"], "ShadowValidate")[0]["document"])
    with pytest.raises(UndecidedYet):
        shadow_validate(run, version["model_id"])
    (kept,) = manager.evidence(version["model_id"], "ShadowValidate")
    assert kept["document"]["counts"] == before.counts.model_dump(), "nothing is sent while no traffic comes"
    for value in range(4):
        manager.add_capture("tiny", 1, to_npz({"x": np.full((1, 4), value, np.float32)}))
    found = shadow_validate(run, version["model_id"])
    after = ShadowReport.model_validate(manager.evidence(version["model_id"], "ShadowValidate")[0]["document"])
    assert (found["verdict"], after.counts.live) == ("PASS", 4), after.sentence
    assert after.requests.outcomes.startswith(before.requests.outcomes)
    assert after.began_ms == before.began_ms
    withdraw(run, version["model_id"])


def test_without_traffic_the_version_is_held_in_staging(
    manager: ManagerAPI, home: Path, production: dict[str, Any]
) -> None:
    run = run_of(manager, "held")
    needs_more = compared_on_traffic(live_share=1.0, min_requests=1000, traffic_wait_s=0.5)
    version = staged(home, run, comparison=needs_more)

    def ended() -> dict[str, Any] | None:
        try:
            return shadow_validate(run, version["model_id"])
        except UndecidedYet:
            return None

    found = wait_until(ended, Deadline.after(60), "the wait is over")
    assert found["verdict"] == "UNDECIDED"
    assert "at least 1000 are needed (100% of 1000)" in found["sentence"]
    assert withdraw(run, version["model_id"]) == {"withdrawn": False}
    assert manager.model("tiny")["stages"]["local"] == {"production": 1, "staging": version["version"]}


def test_no_run_takes_staging_from_a_version_that_another_run_is_validating(
    manager: ManagerAPI, home: Path, production: dict[str, Any]
) -> None:
    first, second = run_of(manager, "burst-1"), run_of(manager, "burst-2")
    held, version = staged(home, first), registered(home, second)
    for _ in range(2):
        with pytest.raises(StagingTaken, match=f"tiny@{held['version']} is in Staging for run burst-1"):
            deploy_to_staging(second, version["model_id"])
    assert manager.model("tiny")["stages"]["local"]["staging"] == held["version"]
    assert deployment_of(second, version["model_id"]) is None
    deploy_to_staging(first, held["model_id"])  # its own step again
    withdraw(first, held["model_id"])
    deploy_to_staging(second, version["model_id"])
    assert manager.model("tiny")["stages"]["local"]["staging"] == version["version"]
    withdraw(second, version["model_id"])


def test_a_run_that_loses_staging_while_its_servers_start_leaves_none_running(
    manager: ManagerAPI, home: Path, production: dict[str, Any]
) -> None:
    first, second = run_of(manager, "race-1"), run_of(manager, "race-2")
    early, late = registered(home, first), registered(home, second)
    seen = staging_to_displace(second, late)
    deploy(second, late["model_id"], HardwareOption.model_validate(one_core(manager)), replicas=1)
    deploy_to_staging(first, early["model_id"])
    with pytest.raises(StagingTaken, match="as expected"):
        take_staging(second, late, seen)
    assert manager.model("tiny")["stages"]["local"]["staging"] == early["version"]
    wait_until(lambda: deployment_of(second, late["model_id"]) is None, Deadline.after(60), "its servers are gone")
    withdraw(first, early["model_id"])


def test_a_killed_measurement_is_made_again_and_leaves_no_server(
    manager: ManagerAPI, home: Path, production: dict[str, Any]
) -> None:
    run = run_of(manager, "killed")
    option, model_id, before = one_core(manager), production["model_id"], trial_folders(home)
    worker = os.fork()
    if worker == 0:
        with ManagerAPI(manager.url, token=(home / "token").read_text().strip()) as api:
            profile_hardware(run_of(api, run.id), model_id, option)
        os._exit(0)
    wait_until(lambda: trial_folders(home) - before, Deadline.after(60), "the worker's trial server")
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    assert manager.evidence(model_id, "ProfileHardware") == []
    left = trial_folders(home) - before
    assert len(left) == 1, "its lease still holds"

    assert profile_hardware(run, model_id, option)["lambda_max"] > 0
    (kept,) = manager.evidence(model_id, "ProfileHardware")
    counted = kept["document"]["server"]
    assert counted["failures"] == 0
    assert 0 < counted["executions"] <= counted["requests"]
    assert counted["compute_s"] > 0
    assert trial_folders(home) <= before, "neither worker's server is left"


def test_beside_other_work_a_run_has_no_figure_and_says_so_and_later_it_has_one(
    manager: ManagerAPI, home: Path, production: dict[str, Any]
) -> None:
    run, model_id, before = run_of(manager, "busy"), production["model_id"], trial_folders(home)
    strict = replace(subject(run, model_id, one_core(manager)), other_work_cores=0.1)
    with (
        burning(os.sched_getaffinity(manager.health()["pid"])),
        pytest.raises(MachineNotQuiet, match="other work used"),
    ):
        measured(run, strict, survey_capacity)
    assert trial_folders(home) <= before, "its server is gone"
    (found,) = (one for one in manager.evidence(model_id, "MachineNotQuiet") if one["run"] == run.id)
    assert (found["key"], found["document"]["option"]) == ("cpu-1x1", one_core(manager))
    assert "machine not quiet, 3 windows in a row: other work used" in found["document"]["reason"]
    with pytest.raises(MachineNotQuiet, match="which hardware will do is not known: cpu-1x1: machine not quiet"):
        choose_hardware(run, model_id)

    assert keep(run, measured(run, strict, survey_capacity), "ProfileHardware")["mu"] > 0
    assert not_quiet(run, model_id) == []


def test_servers_are_sent_what_callers_send_and_the_same_in_all_of_a_run(
    manager: ManagerAPI, home: Path, production: dict[str, Any]
) -> None:
    option, model_id = one_core(manager), production["model_id"]
    for rows in range(1, 22):
        manager.add_capture("tiny", 1, to_npz({"x": np.full((rows, 4), 7, np.float32)}))
    manager.add_capture("tiny", 1, to_npz({"x": np.zeros((1, 5), np.float32)}))  # a caller's mistake
    said: list[str] = []
    run = run_of(manager, "live", said.append)
    first = subject(run, model_id, option)
    manager.add_capture("tiny", 1, to_npz({"x": np.zeros((9, 4), np.float32)}))
    assert first.payload.live
    assert len(first.payload.requests) >= 22
    assert subject(run, model_id, option).payload == first.payload
    assert len(subject(run_of(manager, "later"), model_id, option).payload.requests) > len(first.payload.requests)

    cell = measured(run, first, survey_capacity)
    assert cell.capacity.findings == (), "what the server refuses is not sent"
    assert any("1 of" in line and "captured requests are left out" in line for line in said), said


def test_a_captured_request_whose_file_is_damaged_is_left_out_by_name(
    manager: ManagerAPI, home: Path, production: dict[str, Any]
) -> None:
    for value in (1, 2):
        manager.add_capture("tiny", 1, to_npz({"x": np.full((1, 4), value, np.float32)}))
    newest, sound = (capture["id"] for capture in manager.captures("tiny", 2))
    (file,) = home.rglob(f"{newest}.npz")
    file.write_bytes(file.read_bytes()[:40])
    said: list[str] = []
    version = manager.version(production["model_id"])
    served = ServedModel.model_validate(version["served"])
    found = captures_of(run_of(manager, "damaged", said.append), version, served, 2, set())
    assert [request.id for request in found] == [sound]
    assert any(line.startswith(f"capture {newest} is left out: ") for line in said), said


def trial_folders(home: Path) -> set[str]:
    return {path.name for path in (home / "servers").iterdir() if (path / "server.json").exists()}
