"""Step 8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from operators.step import StepOperator

if TYPE_CHECKING:
    from seatrial.steps.run import Run


class PushAutoscaling(StepOperator):
    """Puts the derived scaling policy in force."""

    template_fields = ("model", "policy")

    def __init__(self, *, model: str, policy: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.policy = policy

    def step(self, run: Run) -> Any:
        from seatrial.steps.push_autoscaling import push_autoscaling

        return push_autoscaling(run, self.model, self.policy)
