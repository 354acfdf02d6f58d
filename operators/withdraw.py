"""The teardown of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from operators.step import StepOperator

if TYPE_CHECKING:
    from seatrial.steps.run import Run


class Withdraw(StepOperator):
    """Takes a version out of Staging if its run ended there without a reason to stay."""

    template_fields = ("version",)

    def __init__(self, *, version: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version

    def step(self, run: Run) -> Any:
        from seatrial.steps.withdraw import withdraw

        return withdraw(run, self.version["model_id"])
