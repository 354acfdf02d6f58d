"""The product's DAG `uploads` beside a `model_version` that does nothing."""

from __future__ import annotations

from pathlib import Path

PIPELINE = """
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Param, dag

@dag(schedule=None, max_active_runs=100, params={"upload": Param(type="string", minLength=2)})
def model_version():
    EmptyOperator(task_id="nothing")

model_version()
"""


def make_dags(folder: Path) -> Path:
    """A DAG folder with the two."""
    folder.mkdir()
    (folder / "uploads.py").symlink_to(Path(__file__).parents[2] / "dags" / "uploads.py")
    (folder / "model_version.py").write_text(PIPELINE)
    return folder
