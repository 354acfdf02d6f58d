"""Scheduled re-profiling of what is in Production."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from operators.step import StepOperator

if TYPE_CHECKING:
    from seatrial.steps.run import Run


class ProductionOptions(StepOperator):
    """For each Production version and each hardware option one measurement to make."""

    def step(self, run: Run) -> Any:
        from seatrial.steps.reprofile import production_options

        return production_options(run)


class RefreshPolicies(StepOperator):
    """Derives and pushes the policies anew from what this run measured on the option that is in use."""

    def step(self, run: Run) -> Any:
        from seatrial.steps.reprofile import refresh_policies

        return refresh_policies(run)
