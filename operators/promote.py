"""Step 7."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from operators.step import StepOperator

if TYPE_CHECKING:
    from seatrial.steps.run import Run


class Promote(StepOperator):
    """Brings a version to Production, if Production is still the version that it was validated against."""

    template_fields = ("version", "policy", "validated")

    def __init__(self, *, version: Any, policy: Any, validated: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.policy = policy
        self.validated = validated

    def step(self, run: Run) -> Any:
        from seatrial.steps.promote import promote

        return promote(run, self.version["model_id"], self.policy, expect_production=self.validated["production"])
