"""Rollback, from the form of its DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from operators.step import StepOperator

if TYPE_CHECKING:
    from seatrial.steps.run import Run


class RollBack(StepOperator):
    """Restores the former Production version with its hardware option and scaling policy."""

    template_fields = ("model", "why")

    def __init__(self, *, model: str, why: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.why = why

    def step(self, run: Run) -> Any:
        from seatrial.steps.rollback import roll_back

        return roll_back(run, self.model, self.why)
