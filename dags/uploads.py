"""Starts exactly one `model_version` run for each upload that the watcher tells."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from operators.assets import uploads as watched
from operators.start_runs import StartRuns


@dag(
    schedule=[watched],
    catchup=False,
    tags=["seatrial"],
    max_active_runs=6,  # one that was killed counts until Airflow misses its heartbeat: five minutes
    default_args={"retries": 5, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
)
def uploads() -> None:
    StartRuns(task_id="start_runs", asset=watched, start_dag="model_version")


uploads()
