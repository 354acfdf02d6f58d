"""Step 8: the derived policy becomes the one in force, with the measurement that it came from."""

from __future__ import annotations

from typing import Any

from seatrial.steps.run import Run


def push_autoscaling(run: Run, model: str, policy: dict[str, Any]) -> dict[str, Any]:
    """Refused by the manager when the measurement is of another version or hardware than what is in Production."""
    kept = run.api.push_policy(model, policy, run.id)
    run.progress(
        f"{model}: {kept['target_per_replica']:g} requests/s a replica, "
        f"{kept['min_replicas']} to {kept['max_replicas']} replicas ({kept['explanation']})"
    )
    return {"target_per_replica": kept["target_per_replica"], "max_replicas": kept["max_replicas"]}
