"""Step 6."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from operators.step import StepOperator

if TYPE_CHECKING:
    from seatrial.steps.run import Run


class ChooseHardware(StepOperator):
    """Chooses among what this run measured and derives the scaling policy; returns the policy.

    It runs whatever became of single options (trigger rule all_done), so it looks itself whether there is anything to
    do: `validated` is "True" once the run got as far as a verdict that lets it go on.
    """

    template_fields = ("model_id", "validated")

    def __init__(self, *, model_id: Any, validated: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model_id = model_id
        self.validated = validated

    def step(self, run: Run) -> Any:
        from seatrial.steps.choose_hardware import choose_hardware

        if self.validated != "True":
            raise AirflowSkipException("the version was not validated in this run: nothing was measured")
        return choose_hardware(run, int(self.model_id))
