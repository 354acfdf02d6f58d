"""From an upload folder to Production and back, on the real parts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from seatrial import InferenceClient
from seatrial.errors import NoSuchModel, NotDeployed
from seatrial.storage.local import atomic_write
from seatrial.uploads.send import send
from seatrial.waiting import Deadline, wait_until
from tests.e2e.conftest import Platform
from tests.models import write_upload

OBJECTIVE = {"percentile": 99, "latency_ms": 100}
COMPARISON = {"comparison_class": "same-graph-fp32", "latency_ratio": 4.0, "production_share": 1.0}


@pytest.fixture(scope="session")
def first(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The finished run of a first good upload; the tests below stand on it."""
    return _bring(platform, tmp_path_factory.mktemp("first"), "tiny-first", tags={"made": "first"})


def _bring(platform: Platform, folder: Path, name: str, **manifest: Any) -> dict[str, Any]:
    upload = write_upload(
        folder / name, name="tiny", objective=OBJECTIVE, comparison=COMPARISON, marker=False, **manifest
    )
    return platform.run_of(send(upload, platform.home / "uploads", name))


def test_an_upload_reaches_production_with_evidence_of_every_step(platform: Platform, first: dict[str, Any]) -> None:
    assert first["state"] == "success", platform.first_failure(first)
    model = platform.manager.model("tiny")
    assert model["stages"]["local"] == {"production": 1, "staging": None}
    kinds = {found["kind"] for found in platform.manager.evidence(model["versions"][0]["model_id"])}
    assert kinds == {
        "CheckFormat",
        "DeployToStaging",
        "ShadowValidate",
        "Payload",
        "ProfileHardware",
        "ChooseHardware",
        "Promote",
        "PushAutoscaling",
    }
    assert [(move["from_stage"], move["to_stage"]) for move in platform.manager.ledger("tiny")] == [
        ("None", "Staging"),
        ("Staging", "Production"),
    ]


def test_the_client_calls_by_name_version_and_model_id(platform: Platform, first: dict[str, Any]) -> None:
    model_id = platform.manager.model_version("tiny", 1)["model_id"]
    x = np.arange(4, dtype=np.float32).reshape(1, 4)
    with InferenceClient(platform.manager_url, token=platform.token) as client:
        by_name = client.infer("tiny", x=x)
        assert np.array_equal(by_name["y"], 2 * x)
        assert (by_name.version, by_name.model_id) == (1, model_id)
        assert client.infer("tiny", {"x": x.tolist()}, version=1).model_id == model_id
        assert client.infer(model_id, x=x).version == 1
        with pytest.raises(NoSuchModel, match="registered: tiny"):
            client.infer("tinny", x=x)


def test_an_upload_starts_exactly_one_run(platform: Platform, first: dict[str, Any]) -> None:
    upload = first["conf"]["upload"]
    runs = platform.airflow.get("/dags/model_version/dagRuns", limit=100)["dag_runs"]
    assert [run["conf"]["upload"] for run in runs].count(upload) == 1


def test_the_manager_asks_for_its_token(platform: Platform) -> None:
    answer = httpx.get(f"{platform.manager_url}/v1/models", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def _no_manifest(upload: Path) -> None:
    (upload / "model.yaml").unlink()


def _unknown_format(upload: Path) -> None:
    manifest = upload / "model.yaml"
    manifest.write_text(manifest.read_text().replace("format: onnx", "format: caffe"))


def _truncated(upload: Path) -> None:
    model = upload / "model.onnx"
    model.write_bytes(model.read_bytes()[:-20])


BROKEN = {"no-manifest": _no_manifest, "unknown-format": _unknown_format, "truncated": _truncated}
SAID = {
    "no-manifest": ("model.yaml",),
    "unknown-format": ("model.yaml", "format", "caffe", "onnx"),
    "truncated": ("model.onnx",),
    "wrong-shape": (".npz", "x", "FP32[1,3]", "FP32[-1,4]"),
}


def test_a_broken_upload_fails_at_once_and_leaves_nothing(
    platform: Platform, first: dict[str, Any], tmp_path: Path
) -> None:
    uploads = {}
    for name, damage in BROKEN.items():
        folder = write_upload(tmp_path / name, name="broken", objective=OBJECTIVE, marker=False)
        damage(folder)
        uploads[name] = send(folder, platform.home / "uploads", name)
    wrong = {"samples/a.npz": {"x": np.zeros((1, 3), np.float32)}}
    folder = write_upload(tmp_path / "wrong-shape", name="broken", objective=OBJECTIVE, samples=wrong, marker=False)
    uploads["wrong-shape"] = send(folder, platform.home / "uploads", "wrong-shape")
    before = {name: sorted(path.name for path in upload.rglob("*")) for name, upload in uploads.items()}
    for name, upload in uploads.items():
        run = platform.run_of(upload)
        task, said = platform.first_failure(run)
        assert (run["state"], task) == ("failed", "check_format"), name
        assert all(word in said for word in SAID[name]), said
    assert [model["name"] for model in platform.manager.models()] == ["tiny"]
    assert before == {name: sorted(path.name for path in upload.rglob("*")) for name, upload in uploads.items()}
    assert len(_servers(platform)) == 1, "only the Production server of tiny is left"


def test_a_corrected_upload_goes_through_even_when_its_measurement_is_killed(
    platform: Platform, first: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_upload(
        tmp_path / "upload", name="corrected", objective=OBJECTIVE, comparison=COMPARISON, marker=False
    )
    right = (folder / "model.onnx").read_bytes()
    _truncated(folder)
    upload = send(folder, platform.home / "uploads", "corrected")
    failed = platform.run_of(upload)
    assert failed["state"] == "failed"

    atomic_write(upload / "model.onnx", right)
    run = platform.run_after(failed)
    run_id = run["dag_run_id"]

    def measuring() -> dict[str, Any] | None:
        tasks = platform.airflow.tasks("model_version", run_id)
        found = (t for t in tasks if t["task_id"] == "profile_hardware" and t["state"] == "running" and t["pid"])
        task = next(found, None)
        return task if task and "saturation" in platform.log_of(run, task) else None

    task = wait_until(measuring, Deadline.after(200), "the measurement of the corrected upload is under way")
    psutil.Process(task["pid"]).kill()
    assert platform.ended("model_version", run_id)["state"] == "success", platform.first_failure(run)
    tasks = platform.airflow.tasks("model_version", run_id)
    again = next(t for t in tasks if (t["task_id"], t["map_index"]) == (task["task_id"], task["map_index"]))
    assert (again["state"], again["try_number"]) == ("success", 2)
    assert platform.manager.model("corrected")["stages"]["local"]["production"] == 1
    assert len(_servers(platform)) == 2, "the Production servers of tiny and corrected, and no trial server"


def test_an_option_that_this_machine_lacks_is_skipped_with_the_reason(
    platform: Platform, first: dict[str, Any]
) -> None:
    tasks = platform.airflow.tasks("model_version", first["dag_run_id"])
    measured = {t["rendered_map_index"]: t for t in tasks if t["task_id"] == "profile_hardware"}
    assert {name: task["state"] for name, task in measured.items()} == {"cpu-1x1": "success", "t4-half": "skipped"}
    assert "t4-half: needs T4, this machine has no GPU: NVML" in platform.log_of(first, measured["t4-half"])


def test_production_is_measured_again_and_its_policy_follows_where_it_drifted(
    platform: Platform, first: dict[str, Any]
) -> None:
    """Which verdict it is depends on what else this machine does; what follows from it does not."""
    before = platform.manager.policy("tiny")
    run_id = platform.airflow.trigger("reprofile", {})
    state = platform.ended("reprofile", run_id)["state"]
    after = platform.manager.policy("tiny")
    assert (after["version"], after["option"], after["cell"]) == (before["version"], before["option"], before["cell"])
    measured, judged = (platform.manager.evidence(after["model_id"], kind)[0] for kind in ("ProfileHardware", "Drift"))
    assert measured["run"] == judged["run"] == run_id
    lambda_max, drift = measured["document"]["capacity"]["lambda_max"], judged["document"]
    assert (drift["before"]["lambda_max"], drift["now"]["lambda_max"]) == (before["lambda_max"], lambda_max)
    assert drift["now"]["inference_server"] == platform.manager.health()["inference_server"]
    assert state == ("failed" if drift["verdict"] == "alarm" else "success")
    assert after == before if drift["verdict"] == "keep" else after["lambda_max"] == lambda_max


def test_without_the_manager_the_run_tries_again_and_then_says_so(platform: Platform, first: dict[str, Any]) -> None:
    with platform.manager_away():
        run_id = platform.airflow.trigger("model_version", {"upload": first["conf"]["upload"]})
        run = platform.ended("model_version", run_id)
    task, said = platform.first_failure(run)
    assert (run["state"], task in {"check_format", "hardware_options", "options_to_survey", "places_to_verify"}) == (
        "failed",
        True,
    )
    assert "try 3 of 3: " in said
    assert platform.manager_url in said
    x = np.zeros((1, 4), np.float32)
    with InferenceClient(platform.manager_url, token=platform.token) as client:

        def answered() -> int | None:
            try:
                return client.infer("tiny", x=x).version
            except NotDeployed:
                return None

        assert wait_until(answered, Deadline.after(60), "Production is back with the manager") == 1


def test_another_version_is_compared_promoted_and_rolled_back(
    platform: Platform, first: dict[str, Any], tmp_path: Path
) -> None:
    run = _bring(platform, tmp_path, "tiny-second", description="the same network again")
    assert run["state"] == "success", platform.first_failure(run)
    second = platform.manager.model_version("tiny", 2)
    report = platform.manager.evidence(second["model_id"], "ShadowValidate")[0]["document"]
    assert (report["verdict"], report["production"]) == ("PASS", 1)
    assert platform.manager.model("tiny")["stages"]["local"]["production"] == 2

    run_id = platform.airflow.trigger("rollback", {"model": "tiny", "why": "a test of going back"})
    assert platform.ended("rollback", run_id)["state"] == "success"
    assert platform.manager.model("tiny")["stages"]["local"]["production"] == 1
    assert platform.manager.policy("tiny")["version"] == 1


def test_a_version_that_answers_differently_is_archived(
    platform: Platform, first: dict[str, Any], tmp_path: Path
) -> None:
    run = _bring(platform, tmp_path, "tiny-wrong", scale=2.01)
    task, said = platform.first_failure(run)
    assert (run["state"], task) == ("failed", "shadow_validate"), said
    assert "FAIL" in said
    newest = platform.manager.model("tiny")["versions"][-1]
    assert newest["stages"]["local"] == "Archived"
    assert platform.manager.model("tiny")["stages"]["local"]["staging"] is None
    later = {"survey_hardware", "profile_hardware", "verify_hardware", "choose_hardware", "promote", "push_autoscaling"}
    states = {(t["task_id"], t["state"]) for t in platform.airflow.tasks("model_version", run["dag_run_id"])}
    assert {task for task, _ in states} >= later
    assert {state for task, state in states if task in later} <= {"skipped", "upstream_failed"}
    assert platform.manager.evidence(newest["model_id"], "ProfileHardware") == []


def test_an_upload_outside_the_upload_root_is_refused(platform: Platform, tmp_path: Path) -> None:
    folder = write_upload(tmp_path / "elsewhere", name="outside", objective=OBJECTIVE)
    run_id = platform.airflow.trigger("model_version", {"upload": str(folder)})
    run = platform.ended("model_version", run_id)
    task, said = platform.first_failure(run)
    assert (run["state"], task) == ("failed", "check_format")
    assert "not below the upload root" in said
    shutil.rmtree(folder)


def _servers(platform: Platform) -> list[psutil.Process]:
    health = platform.manager.health()
    below = psutil.Process(health["pid"]).children(recursive=True)
    return [process for process in below if "tritonserver" in process.name()]
