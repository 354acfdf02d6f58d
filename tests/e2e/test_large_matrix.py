"""A matrix of more options than are worth measuring all, as Airflow maps it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.profiling.pruning import FINALISTS, LEAST, SPARE
from seatrial.uploads.send import send
from tests.e2e.conftest import Platform
from tests.models import write_upload

MATRIX = """\
- {name: cheap, cores: 2, max_batch: 2}
- {matrix: dear, max_batch: [1, 2, 4], price_per_core: 100}
- {matrix: gpu, device: gpu, gpu: [T4], price_per_gpu: {T4: 8}}
"""
NONE_LEFT = ("none left", "skipped")


@pytest.fixture
def large(platform: Platform) -> Iterator[Platform]:
    with platform.options(MATRIX):
        yield platform


def test_a_large_matrix_goes_through_its_stages_to_production(large: Platform, tmp_path: Path) -> None:
    """Only what the cheap option lacks is surveyed beside it, and nothing else is worth a measurement."""
    objective = {"percentile": 99, "latency_ms": 100}
    upload = write_upload(tmp_path / "matrix", name="matrix", objective=objective, marker=False)
    run = large.run_of(send(upload, large.home / "uploads", "matrix"))
    assert run["state"] == "success", large.first_failure(run)

    tasks = large.airflow.tasks("model_version", run["dag_run_id"])
    surveys = _mapped(tasks, "survey_hardware")
    assert {name: task["state"] for name, task in surveys} == {
        "cheap": "success",
        "dear-c1-t1-i1-b4": "success",
        "dear-c1-t1-i1-b2": "skipped",
        "dear-c1-t1-i1-b1": "skipped",
        "gpu-t4-c1-t1-i1-b1": "skipped",
    }
    said = {name: large.log_of(run, task) for name, task in surveys if task["state"] == "skipped"}
    assert "needs T4" in said["gpu-t4-c1-t1-i1-b1"]
    assert "cannot win: cheap, which has more of everything" in said["dear-c1-t1-i1-b1"]
    for stage, places in (("profile_hardware", LEAST), ("verify_hardware", FINALISTS + SPARE)):
        states = [(name, task["state"]) for name, task in _mapped(tasks, stage)]
        assert states == [("cheap", "success"), *[NONE_LEFT] * (places - 1)]

    policy = large.manager.policy("matrix")
    assert policy["option"]["name"] == "cheap"
    (measured,) = (e["document"] for e in large.manager.evidence(policy["model_id"], "ProfileHardware"))
    assert measured["capacity"]["verified_s"] == 40.0


def _mapped(tasks: list[dict[str, Any]], of: str) -> list[tuple[str, dict[str, Any]]]:
    """The task instances of a mapped task in their order, each with its name on Airflow's page."""
    found = sorted((t for t in tasks if t["task_id"] == of), key=lambda task: int(task["map_index"]))
    return [(str(task["rendered_map_index"]), task) for task in found]
