"""Starts exactly one `model_version` run for each upload that the watcher reports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from operators.assets import uploads as watched
from operators.dispatch import confirmed, new_uploads
from operators.start_run import StartRun


@dag(
    schedule=[watched],
    catchup=False,
    tags=["seatrial"],
    max_active_runs=1,
    default_args={"retries": 5, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
)
def uploads() -> None:
    @task(inlets=[watched])
    def waiting(*, inlet_events: Any = None, asset_state_store: Any = None) -> list[dict[str, Any]]:
        events = inlet_events[watched].ascending(False).limit(500)
        found = new_uploads((event.extra["payload"] for event in events), asset_state_store.get("done", []))
        if not found:
            raise AirflowSkipException("nothing new")
        return found

    @task(inlets=[watched], trigger_rule=TriggerRule.NONE_FAILED)
    def confirm(started: list[dict[str, Any]] | None, *, asset_state_store: Any = None) -> None:
        if started:
            asset_state_store.set("done", confirmed(asset_state_store.get("done", []), started))

    new = waiting()
    start = StartRun.partial(
        task_id="start", trigger_dag_id="model_version", logical_date=None, skip_when_already_exists=True
    ).expand_kwargs(new)
    start >> confirm(new)


uploads()
