"""Step 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from operators.step import StepOperator

if TYPE_CHECKING:
    from seatrial.steps.run import Run


class RegisterVersion(StepOperator):
    """Registers a checked upload; returns model, version, model_id, created and stage."""

    template_fields = ("upload", "report")

    def __init__(self, *, upload: str, report: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.upload = upload
        self.report = report

    def step(self, run: Run) -> Any:
        from operators.hdfs import find_upload
        from seatrial.steps.register import register

        return register(run, find_upload(self.upload), self.report)
