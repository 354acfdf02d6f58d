"""Every week: measures the Production versions again, and refreshes the scaling policies of those that drifted.

A replica that carries so much less that its policy was unsafe, or that could not be measured, fails the last task."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import TriggerRule, dag

from operators.profile_hardware import ProfileHardware
from operators.reprofile import ProductionOptions, RefreshPolicies


@dag(
    schedule="0 3 * * 0",
    catchup=False,
    tags=["seatrial"],
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def reprofile() -> None:
    plan = ProductionOptions(task_id="production_options")
    cells = ProfileHardware.partial(
        task_id="profile_hardware", anew=True, pool="seatrial_profiling", map_index_template="{{ hardware_option }}"
    ).expand_kwargs(plan.output)
    refreshed = RefreshPolicies(task_id="refresh_policies", planned=plan.output, trigger_rule=TriggerRule.ALL_DONE)
    cells >> refreshed


reprofile()
