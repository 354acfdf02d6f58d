"""The scaling policies that were pushed: evidence of their version, written by nobody who did not check them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.autoscale.derive import ScalingPolicy

if TYPE_CHECKING:
    from seatrial.manager.composition import InferenceManager

PUSHED = "PushAutoscaling"


def keep_pushed(manager: InferenceManager, policy: ScalingPolicy, model_id: int, run: str) -> None:
    """From now on it is the one in force while the version is in Production."""
    manager.registry.add_evidence(model_id, PUSHED, "policy", run, policy.model_dump(mode="json"))


def pushed_policy(manager: InferenceManager, model_id: int) -> ScalingPolicy | None:
    """The policy that was pushed last for a version."""
    pushed = manager.registry.evidence(model_id, PUSHED)
    return ScalingPolicy.model_validate(pushed[0].document) if pushed else None
