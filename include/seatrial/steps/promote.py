"""Step 7: servers for the present load first, then one ledger entry; the clients move, the old servers drain."""

from __future__ import annotations

from typing import Any

from seatrial.autoscale.derive import ScalingPolicy
from seatrial.errors import NotDeployed
from seatrial.steps.deploy import deploy
from seatrial.steps.run import Run
from seatrial.waiting import wait_until


def promote(run: Run, model_id: int, policy: dict[str, Any], *, expect_production: int | None) -> dict[str, Any]:
    """Make the version Production. Raises Conflict when another version became Production since it was validated.

    Again after a success: the same ledger entry. Until the ledger moves, the old servers are never disturbed.
    """
    wanted = ScalingPolicy.model_validate(policy)
    version = run.api.version(model_id)
    deploy(run, model_id, wanted.option, wanted.min_replicas)
    run.progress(f"{wanted.min_replicas} replica(s) ready on {wanted.option.name}")
    move = run.api.move_stage(
        version["model"],
        version["version"],
        "Production",
        expect_production=expect_production,
        who=run.who,
        run=run.id,
        why=f"validated; {wanted.target_per_replica:g} requests/s a replica on {wanted.option.name}",
    )
    run.api.add_evidence(model_id, "Promote", "move", run.id, {"move": move, "replicas": wanted.min_replicas})
    displaced = move["displaced"]
    if displaced is not None:
        run.progress(f"{version['model']}@{displaced} is archived; its servers drain")
        _wait_gone(run, version["model"], displaced)
    run.progress(f"{version['model']}@{version['version']} is Production (ledger entry {move['seq']})")
    return {"move": move["seq"], "displaced": displaced, "replicas": wanted.min_replicas}


def _wait_gone(run: Run, model: str, version: int) -> None:
    model_id = run.api.model_version(model, version)["model_id"]

    def gone() -> bool:
        try:
            return bool(run.api.deployment(model_id)["state"] == "stopped")
        except NotDeployed:
            return True

    wait_until(gone, run.deadline, f"the servers of {model}@{version} have drained")
