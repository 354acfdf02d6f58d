"""Rollback: the former Production version again, with its own hardware option and scaling policy, at once."""

from __future__ import annotations

from typing import Any

from seatrial.autoscale.derive import ScalingPolicy
from seatrial.errors import Refused
from seatrial.steps.deploy import deploy
from seatrial.steps.run import Run


def roll_back(run: Run, model: str, why: str) -> dict[str, Any]:
    """Restore what was Production before. Raises Refused when there was no former Production version."""
    target = run.api.rollback_target(model)
    if target["policy"] is None:
        raise Refused(f"{model}@{target['version']} was never given a scaling policy: it cannot be restored as it was")
    policy = ScalingPolicy.model_validate(target["policy"])
    run.progress(f"{model}: back from @{target['replaces']} to @{target['version']} on {policy.option.name}")
    deploy(run, target["model_id"], policy.option, policy.min_replicas)
    move = run.api.move_stage(
        model,
        target["version"],
        "Production",
        expect_production=target["replaces"],
        who=run.who,
        run=run.id,
        why=f"rollback: {why}",
    )
    run.api.push_policy(model, target["policy"], run.id)
    run.progress(f"{model}@{target['version']} is Production again (ledger entry {move['seq']})")
    return {"model": model, "version": target["version"], "replaced": target["replaces"], "move": move["seq"]}
