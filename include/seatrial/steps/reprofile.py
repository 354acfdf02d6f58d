"""Scheduled re-profiling: the Production versions are measured again, and their policies follow."""

from __future__ import annotations

from typing import Any

from seatrial.errors import NotFound, Refused
from seatrial.steps.choose_hardware import policy_from
from seatrial.steps.measuring import cell_of_run
from seatrial.steps.run import Run


def production_options(run: Run) -> list[dict[str, Any]]:
    """For each Production version with a policy: its model id, and the hardware option that it runs on."""
    plan = []
    for model in run.api.models():
        policy = _policy(run, model["name"]) if model["production"] is not None else None
        if policy is not None:
            plan.append({"model_id": policy["model_id"], "option": policy["option"]})
    run.progress(f"{len(plan)} Production version(s) to measure")
    return plan


def refresh_policies(run: Run) -> dict[str, Any]:
    """Derive each policy anew from this run's measurement and push it; returns old and new target by model.

    A version that could not be measured keeps the policy it has.
    """
    found: dict[str, Any] = {}
    for model in run.api.models():
        policy = _policy(run, model["name"]) if model["production"] is not None else None
        if policy is None:
            continue
        try:
            cell = cell_of_run(run, policy["model_id"], policy["option"]["name"])
            fresh = policy_from(run, cell)
        except Refused as error:
            run.progress(f"{model['name']}: the policy stays as it is: {error}")
            continue
        run.api.push_policy(model["name"], fresh.model_dump(mode="json"), run.id)
        found[model["name"]] = {"before": policy["target_per_replica"], "after": fresh.target_per_replica}
        run.progress(f"{model['name']}: target {policy['target_per_replica']:g} → {fresh.target_per_replica:g}")
    return found


def _policy(run: Run, model: str) -> dict[str, Any] | None:
    try:
        return run.api.policy(model)
    except NotFound:
        return None
