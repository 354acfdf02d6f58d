"""The DAG files as Airflow reads them."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Found = dict[str, Any]
HEAVY = ("ml_metadata", "kubernetes", "tritonclient", "onnx", "onnxruntime", "openvino", "pandas", "numpy")

LOOK = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
FIELDS = ("anew", "planned", "validated", "trigger_rule")

def field(task, name):
    value = getattr(task, "partial_kwargs", {}).get(name, getattr(task, name, None))
    return str(getattr(value, "value", value))

print("FOUND " + json.dumps({
    "errors": bag.import_errors,
    "modules": sorted(set(sys.argv[2].split(",")) & set(sys.modules)),
    "params": {name: {p: dag.params.get_param(p).schema["type"] for p in dag.params} for name, dag in bag.dags.items()},
    **{of: {name: {t.task_id: field(t, of) for t in dag.tasks} for name, dag in bag.dags.items()} for of in FIELDS},
    "dags": {name: {t.task_id: sorted(t.upstream_task_ids) for t in dag.tasks} for name, dag in bag.dags.items()},
}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    env = os.environ | {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", LOOK, str(ROOT / "dags"), ",".join(HEAVY)]
    output = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    return json.loads(next(line for line in output.splitlines() if line.startswith("FOUND "))[6:])  # type: ignore[no-any-return]


def test_every_dag_file_imports(found: Found) -> None:
    assert found["errors"] == {}
    assert sorted(found["dags"]) == ["model_version", "reprofile", "rollback", "uploads"]


def test_reading_the_dags_imports_nothing_heavy(found: Found) -> None:
    assert found["modules"] == []


def test_the_eight_steps_follow_each_other(found: Found) -> None:
    tasks = found["dags"]["model_version"]
    steps = [
        "check_format",
        "register_version",
        "deploy_to_staging",
        "shadow_validate",
        "profile_hardware",
        "choose_hardware",
        "promote",
        "push_autoscaling",
    ]
    assert all(before in tasks[after] for before, after in itertools.pairwise(steps))
    assert "deploy_to_staging" in tasks["withdraw"], "the teardown belongs to what it takes back"


def test_a_large_matrix_is_surveyed_before_it_is_measured_and_verified_after(found: Found) -> None:
    tasks = found["dags"]["model_version"]
    stages = ["shadow_validate", "survey_hardware", "profile_hardware", "verify_hardware", "choose_hardware"]
    assert all(before in tasks[after] for before, after in itertools.pairwise(stages))


def test_only_what_must_go_on_after_a_failure_does_and_it_looks_whether_the_version_was_validated(found: Found) -> None:
    rules, guards = (found[of]["model_version"] for of in ("trigger_rule", "validated"))
    whatever = {task for task, rule in rules.items() if rule == "all_done"}
    assert whatever == {"profile_hardware", "verify_hardware", "choose_hardware"}
    assert {guards[task] for task in whatever} == {"{{ ti.xcom_pull('shadow_validate') is not none }}"}
    assert {rules[task] for task in rules.keys() - whatever - {"withdraw"}} == {"all_success"}


def test_a_run_can_be_told_to_measure_anew(found: Found) -> None:
    assert found["params"]["model_version"]["anew"] == "boolean"
    told = found["anew"]["model_version"]
    assert {told["survey_hardware"], told["profile_hardware"]} == {"{{ params.anew }}"}


def test_the_weekly_run_measures_anew(found: Found) -> None:
    assert found["anew"]["reprofile"]["profile_hardware"] == "True"


def test_the_weekly_run_judges_what_it_planned_whatever_became_of_single_measurements(found: Found) -> None:
    assert found["dags"]["reprofile"]["refresh_policies"] == ["production_options", "profile_hardware"]
    assert found["trigger_rule"]["reprofile"]["refresh_policies"] == "all_done"
    assert "production_options" in found["planned"]["reprofile"]["refresh_policies"]
