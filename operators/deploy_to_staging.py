"""Step 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from operators.step import StepOperator

if TYPE_CHECKING:
    from seatrial.steps.run import Run


class DeployToStaging(StepOperator):
    """Starts a server for the version and moves it to Staging. A version that is in Production already ends the run."""

    template_fields = ("version",)

    def __init__(self, *, version: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version

    def step(self, run: Run) -> Any:
        from seatrial.steps.deploy import deploy_to_staging

        if self.version["stage"] == "Production":
            raise AirflowSkipException(f"{self.version['model']}@{self.version['version']} is in Production already")
        return deploy_to_staging(run, self.version["model_id"])
