"""Step 4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from operators.step import StepOperator

if TYPE_CHECKING:
    from seatrial.steps.run import Run


class ShadowValidate(StepOperator):
    """Replays requests to Production and Staging and compares; anything but PASS ends the run.

    UNDECIDED leaves the version in Staging: the same upload can be run again when there is more live traffic.
    """

    template_fields = ("version",)

    def __init__(self, *, version: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version

    def step(self, run: Run) -> Any:
        from seatrial.steps.shadow_validate import shadow_validate

        found = shadow_validate(run, self.version["model_id"])
        if found["verdict"] != "PASS":
            self.log.error("%s: %s", found["verdict"], found["sentence"])
            if found["verdict"] == "UNDECIDED":
                self.log.error("held in Staging: run this upload again when there is more live traffic")
            raise AirflowFailException(f"{found['verdict']}: {found['sentence']}")
        return found
