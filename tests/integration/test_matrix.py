"""A large matrix in its stages, on a real manager and real Inference Servers, without Airflow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyarrow.parquet import read_table

from seatrial.autoscale.row import Row
from seatrial.cli import main
from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import DeviceTaken, ServerFailed
from seatrial.profiling import bench, capacity
from seatrial.profiling.cell import Cell, Objective
from seatrial.profiling.pruning import FINALISTS, LEAST, SPARE
from seatrial.profiling.same_measurement import for_objective
from seatrial.steps import profile_hardware as steps
from seatrial.steps import profile_version
from seatrial.steps.choose_hardware import choose_hardware
from seatrial.steps.run import Run
from tests.managers import environ_of, managers
from tests.rollover import registered, run_of

MATRIX = "- {matrix: cpu, cores: [1, 2], max_batch: [1, 4]}\n- {name: two, cores: 2, instances: 2, price: 2}\n"
OPTIONS = 5
OBJECTIVE = {"percentile": 99, "latency_ms": 100}


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagerAPI]:
    home = tmp_path_factory.mktemp("home")
    (home / "options.yaml").write_text(MATRIX)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capacity, "VERIFY_S", 4.0)
        patch.setattr(bench, "LEVEL_S", (2.0, 4.0))
        patch.setattr("seatrial.steps.choose_hardware.capacity_table", repr)  # pandas is in Airflow's environment only
        with managers(environ_of(home, SEATRIAL_OPTIONS=str(home / "options.yaml"))) as [api]:
            yield api


@pytest.fixture(scope="module")
def first(manager: ManagerAPI) -> dict[str, Any]:
    """The version that a first run measured, and the policy that it chose."""
    run = run_of(manager, "first")
    version = registered(Path(manager.health()["home"]), run, objective=OBJECTIVE)
    policy = all_stages(run, version["model_id"])
    for kind in ("SurveyHardware", "ProfileHardware"):
        for name, document in documents(manager, version["model_id"], kind, run.id).items():
            document["capacity"]["notes"] = []  # as on a quiet machine: what was disturbed is measured again
            manager.add_evidence(version["model_id"], kind, name, run.id, document)
    return {**version, "policy": policy}


def all_stages(run: Run, model_id: int) -> dict[str, Any]:
    assert {seen.state for seen in profile_version.profile_version(lambda: run, model_id)} <= {
        "began",
        "measured",
        "skipped",
    }
    return choose_hardware(run, model_id)


def documents(manager: ManagerAPI, model_id: int, kind: str, run: str) -> dict[str, dict[str, Any]]:
    return {e["key"]: e["document"] for e in manager.evidence(model_id, kind) if e["run"] == run}


def test_a_large_matrix_is_surveyed_measured_in_part_and_verified_at_the_top(
    manager: ManagerAPI, first: dict[str, Any]
) -> None:
    surveyed, measured = (
        documents(manager, first["model_id"], kind, "first") for kind in ("SurveyHardware", "ProfileHardware")
    )
    assert 1 <= len(surveyed) <= OPTIONS
    assert {cell["capacity"]["method"] for cell in surveyed.values()} <= {"survey", "infeasible"}
    assert 1 <= len(measured) <= LEAST
    assert set(measured) <= set(surveyed)
    verified = {name for name, cell in measured.items() if cell["capacity"]["verified_s"] == 4.0}
    assert 1 <= len(verified) <= FINALISTS + SPARE
    assert first["policy"]["option"]["name"] in verified


def test_who_measured_has_the_cores_again_that_it_kept_off(manager: ManagerAPI, first: dict[str, Any]) -> None:
    assert first["policy"]
    assert len(os.sched_getaffinity(0)) == manager.health()["machine"]["cores"]


def test_the_answer_is_kept_with_the_choice(manager: ManagerAPI, first: dict[str, Any]) -> None:
    document = documents(manager, first["model_id"], "ChooseHardware", "first")["choice"]
    told, chosen = document["answer"], document["choice"]["cell"]["option"]["name"]
    assert told["chosen"]["option"] == chosen == first["policy"]["option"]["name"]
    assert any(way["option"] == chosen for way in told["front"])
    assert told["bottleneck"]["figure"] in told["paragraph"]
    assert f"run 1 replica of {chosen}" in told["paragraph"]


@pytest.fixture
def no_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any load fails."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("load was put on a server")

    for name in ("survey_capacity", "measure_capacity", "verify_capacity"):
        monkeypatch.setattr(steps, name, refuse)


@pytest.mark.usefixtures("no_load")
def test_another_run_of_the_same_version_measures_nothing_again(manager: ManagerAPI, first: dict[str, Any]) -> None:
    run, model_id = run_of(manager, "again"), first["model_id"]
    for kind, measure in (("SurveyHardware", steps.survey_hardware), ("ProfileHardware", steps.profile_hardware)):
        before = documents(manager, model_id, kind, "first")
        for cell in before.values():
            measure(run, model_id, cell["option"])
        assert documents(manager, model_id, kind, "again") == before
    again = choose_hardware(run, model_id)
    kept = ("option", "lambda_max", "mu", "target_per_replica")
    assert {name: again[name] for name in kept} == {name: first["policy"][name] for name in kept}


def test_the_choice_is_among_the_options_of_now_at_their_price_now(manager: ManagerAPI, first: dict[str, Any]) -> None:
    run, model_id = run_of(manager, "options-changed"), first["model_id"]
    for name, cell in documents(manager, model_id, "ProfileHardware", "first").items():
        gone = {**cell["option"], "name": f"gone-{name}", "memory_mib": 4096, "price": 0.001}
        for option in (gone, {**cell["option"], "price": 0.5}):
            document = {**cell, "option": option}
            manager.add_evidence(model_id, "ProfileHardware", option["name"], run.id, document)
    assert choose_hardware(run, model_id)["option"] in manager.health()["options"]


@pytest.mark.usefixtures("no_load")
def test_another_objective_for_the_same_files_is_surveyed_without_load(
    manager: ManagerAPI, first: dict[str, Any]
) -> None:
    run = run_of(manager, "tighter")
    tighter = {**OBJECTIVE, "latency_ms": 30}
    other = registered(Path(manager.health()["home"]), run, objective=tighter)
    assert other["version"] != first["version"]
    for option in steps.hardware_options(run, []):
        if option["name"] in documents(manager, first["model_id"], "SurveyHardware", "first"):
            steps.survey_hardware(run, other["model_id"], option)
    found = documents(manager, other["model_id"], "SurveyHardware", "tighter")
    for name, before in documents(manager, first["model_id"], "SurveyHardware", "first").items():
        assert Objective.model_validate(found[name]["objective"]) == Objective.model_validate(tighter)
        assert found[name]["capacity"]["mu"] == before["capacity"]["mu"]
        surveyed = Cell.model_validate(before)  # whose estimate is of more service times than are kept
        looser = for_objective(surveyed.capacity, surveyed.objective, surveyed.option.instances)
        assert found[name]["capacity"]["lambda_max"] <= looser.lambda_max


def test_the_command_line_answers_for_another_load_and_objective(
    manager: ManagerAPI, first: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEATRIAL_HOME", manager.health()["home"])
    load = 3.5 * first["policy"]["target_per_replica"]
    main(["capacity", "tiny@1", "--load", str(load)])
    _, *table, paragraph = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("*") for line in table) == 1
    assert "run 4 replicas of" in paragraph
    main(["capacity", "tiny@1", "--latency-ms", "30", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["choice"]["cell"]["objective"]["latency_ms"] == 30
    assert {row["method"] for row in document["choice"]["table"]} <= {"survey", "infeasible"}
    main(["show", "tiny@1"])
    assert "load survey (SurveyHardware): cpu-c2-t1-i1-b4 saturates at" in capsys.readouterr().out


def test_the_command_line_writes_the_whole_table_as_a_parquet_file_and_pictures(
    manager: ManagerAPI,
    first: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A row for each option that was looked at, the same as in the choice that runs keep."""
    monkeypatch.setenv("SEATRIAL_HOME", manager.health()["home"])
    main(["capacity", "tiny@1", "--parquet", str(tmp_path / "tiny.parquet"), "--json"])
    kept = json.loads(capsys.readouterr().out)["choice"]["table"]
    rows = read_table(tmp_path / "tiny.parquet").to_pylist()
    assert [Row.model_validate(row) for row in rows] == [Row.model_validate(row) for row in kept]
    assert {row["option"] for row in rows} == set(documents(manager, first["model_id"], "SurveyHardware", "first"))
    files = ["--parquet", str(tmp_path / "none.parquet"), "--plots", str(tmp_path / "none")]
    with pytest.raises(SystemExit):
        main(["capacity", "tiny@1", "--latency-ms", "0.001", *files])
    assert "no hardware option keeps the latency objective" in capsys.readouterr().err
    assert {row["lambda_max_per_s"] for row in read_table(tmp_path / "none.parquet").to_pylist()} == {None}
    assert {file.stem for file in (tmp_path / "none").iterdir()} == {*(row["option"] for row in rows), "_matrix"}


def test_the_size_of_a_model_is_known_from_its_files(manager: ManagerAPI, first: dict[str, Any]) -> None:
    assert manager.model_bytes(first["model_id"]) == len(manager.file(first["model_id"], "model.onnx"))


@pytest.mark.usefixtures("no_load")
def test_the_command_line_measures_as_a_run_does_and_ends_with_the_answer(
    manager: ManagerAPI, first: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEATRIAL_HOME", manager.health()["home"])
    main(["profile", "tiny@1", "--json"])
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["policy"]["target_per_replica"] == first["policy"]["target_per_replica"]
    surveyed = documents(manager, first["model_id"], "SurveyHardware", "first")
    assert {line.split(" survey ")[0] for line in said.err.splitlines() if " survey " in line} >= set(surveyed)
    assert f"{first['policy']['option']['name']} measure " in said.err
    kept = [e for e in manager.evidence(first["model_id"], "ProfileHardware") if e["run"].startswith("cli__")]
    assert {e["key"] for e in kept} == set(documents(manager, first["model_id"], "ProfileHardware", "first"))


def test_an_option_that_fails_loses_no_other_and_one_that_waits_for_its_cores_is_measured_then(
    manager: ManagerAPI, first: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_version, "LOOK_AGAIN_S", 0.0)
    said: list[str] = []
    outcomes: dict[str, list[Any]] = {
        "cpu-c1-t1-i1-b1": [ServerFailed("died")],
        "two": [DeviceTaken("another run measures"), {}],
    }

    def measure(run: Run, model_id: int, option: dict[str, Any], *, anew: bool) -> dict[str, Any]:
        outcome = outcomes[option["name"]].pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return dict(outcome)

    monkeypatch.setattr(steps, "profile_hardware", measure)
    run = replace(run_of(manager, "broken"), progress=said.append)
    found = list(profile_version.profile_version(lambda: run, first["model_id"], ["cpu-c1-t1-i1-b1", "two"]))
    assert [(seen.option, seen.state, seen.reason) for seen in found if seen.state != "began"] == [
        ("two", "measured", ""),
        ("cpu-c1-t1-i1-b1", "failed", "died"),
    ]
    assert said == ["another run measures"]


@pytest.mark.usefixtures("no_load")
def test_anew_nothing_counts_that_is_known(manager: ManagerAPI, first: dict[str, Any]) -> None:
    run, option = run_of(manager, "weekly"), first["policy"]["option"]
    for measure in (steps.survey_hardware, steps.profile_hardware):
        measure(run, first["model_id"], option)
        with pytest.raises(AssertionError, match="load was put on a server"):
            measure(run, first["model_id"], option, anew=True)


def test_what_a_long_level_verified_is_verified_again(manager: ManagerAPI, first: dict[str, Any]) -> None:
    run, option = run_of(manager, "next-week"), first["policy"]["option"]
    steps.profile_hardware(run, first["model_id"], option, anew=True)
    again = documents(manager, first["model_id"], "ProfileHardware", run.id)[option["name"]]
    assert again["capacity"]["verified_s"] == 4.0
