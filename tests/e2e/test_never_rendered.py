"""What an uploader writes is data to Airflow: no name, field or error of an upload is ever rendered as a template."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Platform
from tests.models import write_upload

MARKS = "{{ 7777*7777 }}{% for a in 'abc' %}came{% endfor %}{{ conn.seatrial_manager.password }}{# gone #}"
RENDERED = ("60481729", "camecamecame")
NAME = MARKS.replace("/", "")
OBJECTIVE = {"percentile": 99, "latency_ms": 100}


def _in_place(platform: Platform, folder: Path, name: str) -> Path:
    """The upload in the upload root by any name, as whoever can write there puts it."""
    target = platform.home / "uploads" / name
    shutil.move(folder, target)
    return target


def _shown(platform: Platform, dag: str, run: dict[str, Any]) -> str:
    """All that Airflow keeps of a run and shows: conf, rendered fields, logs, XComs."""
    found: list[Any] = [run]
    for task in platform.airflow.tasks(dag, run["dag_run_id"]):
        path = f"/dags/{dag}/dagRuns/{run['dag_run_id']}/taskInstances/{task['task_id']}"
        found += [task, platform.log_of(run, task) if task["try_number"] else ""]
        for entry in platform.airflow.get(f"{path}/xcomEntries", map_index=task["map_index"])["xcom_entries"]:
            where = f"{path}/xcomEntries/{entry['key']}"
            found.append(platform.airflow.get(where, map_index=task["map_index"], stringify=True))
    return json.dumps(found, ensure_ascii=False)


def _dispatchers(platform: Platform) -> list[dict[str, Any]]:
    runs = platform.airflow.get("/dags/uploads/dagRuns", order_by="-id", limit=20)["dag_runs"]
    return [platform.ended("uploads", run["dag_run_id"]) for run in runs]


def _never_rendered(platform: Platform, shown: str) -> None:
    assert [word for word in (*RENDERED, platform.token) if word in shown] == []


def _failed(platform: Platform, upload: Path) -> str:
    """All that is shown of the upload's run, which ended at the first step."""
    run = platform.run_of(upload)
    task, said = platform.first_failure(run)
    assert (run["state"], task) == ("failed", "check_format"), said
    _never_rendered(platform, _shown(platform, "model_version", run))
    return said


def test_a_folder_with_the_name_of_a_template_is_refused_and_its_name_stays_as_it_is(
    platform: Platform, tmp_path: Path
) -> None:
    upload = _in_place(platform, write_upload(tmp_path / "u", name="rendered", objective=OBJECTIVE), NAME)
    assert "could be taken for a template" in _failed(platform, upload)
    for run in _dispatchers(platform):
        _never_rendered(platform, _shown(platform, "uploads", run))
    assert "rendered" not in [model["name"] for model in platform.manager.models()]


@pytest.mark.parametrize(
    "manifest", [{"model_file": MARKS}, {"format": MARKS}, {"name": MARKS}, {"layers": {"a": MARKS}}, {MARKS: 1}]
)
def test_a_template_in_a_refused_entry_is_shown_as_it_was_written(
    platform: Platform, manifest: dict[str, Any], tmp_path: Path
) -> None:
    folder = write_upload(tmp_path / "u", **{"name": "rendered", "objective": OBJECTIVE, **manifest})
    said = _failed(platform, _in_place(platform, folder, f"entry-{abs(hash(str(manifest)))}"))
    assert "{{ 7777*7777 }}" in said


def test_a_template_in_what_a_manifest_may_say_goes_through_every_step_as_it_was_written(
    platform: Platform, tmp_path: Path
) -> None:
    said: dict[str, Any] = {
        "description": MARKS,
        "user": MARKS,
        "tags": {MARKS[:90]: MARKS},
        "hyper_parameters": {MARKS[:90]: MARKS},
    }
    comparison = {
        "comparison_class": "same-graph-fp32",
        "latency_ratio": 4.0,
        "min_requests": 20,
        "production_share": 1.0,
    }
    folder = write_upload(tmp_path / "u", name="as-written", objective=OBJECTIVE, comparison=comparison, **said)
    run = platform.run_of(_in_place(platform, folder, "as-written"))
    assert run["state"] == "success", platform.first_failure(run)
    shown = _shown(platform, "model_version", run)
    assert "{{ 7777*7777 }}" in shown
    _never_rendered(platform, shown)
    version = platform.manager.model_version("as-written", 1)
    assert version["description"] == MARKS
