"""Back to the former Production version, at once: with its hardware option and scaling policy, without analysis."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag

from operators.roll_back import RollBack


@dag(
    schedule=None,
    catchup=False,
    tags=["seatrial"],
    default_args={"retries": 3, "retry_delay": timedelta(seconds=2)},
    params={
        "model": Param(
            type="string",
            title="Model",
            description="Name of the registered model.",
            pattern="^[a-z][a-z0-9_-]{0,62}$",
        ),
        "why": Param(
            type="string",
            title="Reason",
            description="One sentence for the stage ledger: what went wrong in Production.",
            minLength=3,
            maxLength=500,
        ),
    },
    doc_md=__doc__,
)
def rollback() -> None:
    RollBack(task_id="roll_back", model="{{ params.model }}", why="{{ params.why }}")


rollback()
