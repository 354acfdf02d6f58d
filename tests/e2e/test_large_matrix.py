"""A matrix of more options than are worth measuring all, as Airflow maps it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.profiling.pruning import FINALISTS, LEAST
from seatrial.uploads.send import send
from tests.e2e.conftest import Platform, platform_on
from tests.models import write_upload

MATRIX = """\
- {matrix: cpu, cores: [1, 2], instances: [1, 2], max_batch: [1, 4]}
- {matrix: gpu, device: gpu, gpu: [T4], price_per_gpu: {T4: 8}}
"""
OPTIONS, ON_GPU = 7, "gpu-t4-c1-t1-i1-b1"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_on(tmp_path_factory.mktemp("home"), MATRIX) as found:
        yield found


def test_a_large_matrix_goes_through_its_stages_to_production(large: Platform, tmp_path: Path) -> None:
    objective = {"percentile": 99, "latency_ms": 100}
    upload = write_upload(tmp_path / "tiny", objective=objective, marker=False)
    run = large.run_of(send(upload, large.home / "uploads", "tiny"), limit_s=600)
    assert run["state"] == "success", large.first_failure(run)

    tasks = large.airflow.tasks("model_version", run["dag_run_id"])
    states: dict[str, dict[str, str]] = {}
    for task in tasks:
        if task["task_id"].endswith("_hardware") and task["map_index"] >= 0:
            states.setdefault(task["task_id"], {})[str(task["rendered_map_index"])] = task["state"]
    surveyed, measured, verified = (states[f"{stage}_hardware"] for stage in ("survey", "profile", "verify"))
    assert (len(surveyed), len(measured), surveyed[ON_GPU]) == (OPTIONS, LEAST, "skipped")
    succeeded = [name for name, state in measured.items() if state == "success"]
    assert 1 <= len(succeeded) <= LEAST
    assert all(surveyed[name] == "success" for name in succeeded)
    assert set(verified.values()) <= {"success", "skipped"}
    assert 1 <= list(verified.values()).count("success") <= FINALISTS
    skipped = next(t for t in tasks if t["task_id"] == "survey_hardware" and t["rendered_map_index"] == ON_GPU)
    assert "needs T4" in large.log_of(run, skipped)

    policy = large.manager.policy("tiny")
    assert verified[policy["option"]["name"]] == "success"
    cells = large.manager.evidence(policy["model_id"], "ProfileHardware")
    chosen = next(one["document"] for one in cells if one["key"] == policy["option"]["name"])
    assert chosen["capacity"]["verified_s"] == 40.0
