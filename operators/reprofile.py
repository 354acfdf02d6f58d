"""Scheduled re-profiling of what is in Production."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from operators.step import StepOperator

if TYPE_CHECKING:
    from seatrial.steps.run import Run


class ProductionOptions(StepOperator):
    """For each Production version and each hardware option one measurement to make."""

    def step(self, run: Run) -> Any:
        from seatrial.steps.reprofile import production_options

        return production_options(run)


class RefreshPolicies(StepOperator):
    """Judges what this run measured of what was `planned`, and refreshes the policies whose replicas drifted.

    It runs whatever became of single measurements (trigger rule all_done). After everything has been judged and pushed
    that can be, an alarm fails the task, and so the run, with one line for each model: nobody looks into the log of a
    green run, and whoever is told of failed runs is told of it. It is not retried: trying again finds the same.
    """

    template_fields = ("planned",)

    def __init__(self, *, planned: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.planned = planned

    def step(self, run: Run) -> Any:
        from seatrial.steps.reprofile import refresh_policies

        if self.planned is None:
            raise AirflowFailException("what is in Production is not known: nothing was planned, nothing is judged")
        found = refresh_policies(run, self.planned)
        alarms = [f"{model}: {of['sentence']}" for model, of in found.items() if of["verdict"] == "alarm"]
        for line in alarms:
            self.log.error("alarm: %s", line)
        if alarms:
            raise AirflowFailException(f"alarm: {' | '.join(alarms)}")
        return found
