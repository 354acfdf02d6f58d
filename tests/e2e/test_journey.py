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
from seatrial.errors import NoSuchModel
from seatrial.uploads.send import send
from tests.e2e.conftest import Platform
from tests.models import write_upload

OBJECTIVE = {"percentile": 99, "latency_ms": 100}
COMPARISON = {"comparison_class": "same-graph-fp32", "latency_ratio": 4.0}


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
