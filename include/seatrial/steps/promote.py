"""Step 7: servers for the present load, ready and warm; then one ledger entry; clients move, old servers drain."""

from __future__ import annotations

from typing import Any

from seatrial.autoscale.derive import ScalingPolicy
from seatrial.autoscale.replicas import Start, replicas_to_start
from seatrial.errors import Conflict
from seatrial.serving.triton_metrics import read
from seatrial.steps.deploy import deploy
from seatrial.steps.present import deployment_of
from seatrial.steps.run import Run
from seatrial.steps.warm import warm
from seatrial.waiting import wait_until


def promote(run: Run, model_id: int, policy: dict[str, Any], *, expect_production: int | None) -> dict[str, Any]:
    """Make the version Production. Raises Conflict when another version became Production since it was validated.

    Again after a success: the same ledger entry. Until the ledger moves, the old servers are never disturbed; once it
    has moved, a repeated call does what is left. One that was undone since, by a person or the watch, stays undone.
    """
    wanted = ScalingPolicy.model_validate(policy)
    version = run.api.version(model_id)
    model, number = version["model"], version["version"]
    _not_undone(run, version)
    former = None if expect_production is None else run.api.model_version(model, expect_production)["model_id"]
    start = _start(run, version, wanted, former)
    deployment = deploy(run, model_id, wanted.option, start.replicas)
    run.progress(f"{start.replicas} replica(s) ready on {wanted.option.name}: {start.why}")
    if version["stages"].get("local") != "Production":
        warmth = warm(run, version, deployment)
        before = {
            "warmth": [found.model_dump(mode="json") for found in warmth],
            "sentence": "; ".join(found.sentence for found in warmth),
            "production": _served_so_far(run, expect_production, former),
        }
        run.api.add_evidence(model_id, "Promote", "before", run.id, before)
    move = run.api.move_stage(
        model,
        number,
        "Production",
        expect_production=expect_production,
        who=run.who,
        run=run.id,
        why=f"validated; {wanted.target_per_replica:g} requests/s a replica on {wanted.option.name}",
    )
    run.api.add_evidence(
        model_id, "Promote", "move", run.id, {"move": move, "replicas": start.replicas, "sentence": start.why}
    )
    run.progress(f"{model}@{number} is Production (ledger entry {move['seq']})")
    if move["displaced"] is not None:
        run.progress(_left(run, move))
    return {"move": move["seq"], "displaced": move["displaced"], "replicas": start.replicas}


def _not_undone(run: Run, version: dict[str, Any]) -> None:
    if version["stages"].get("local") == "Production":
        return
    for move in reversed(run.api.ledger(version["model"])):
        if (move["run"], move["version"], move["to_stage"]) == (run.id, version["version"], "Production"):
            raise Conflict(
                f"this run made {version['model']}@{version['version']} Production (ledger entry {move['seq']}), and it"
                " was taken back since: it is not promoted again"
            )


def _start(run: Run, version: dict[str, Any], policy: ScalingPolicy, former: int | None) -> Start:
    """What the present load needs; of a version that is Production already, what serves it."""
    if version["stages"].get("local") == "Production":
        own = deployment_of(run, version["model_id"])
        return Start(max(policy.min_replicas, own.spec.replicas if own else 0), "as many as it was promoted with")
    before = deployment_of(run, former)
    if before is None:
        return replicas_to_start(policy, running=0, load=None)
    return replicas_to_start(policy, running=before.spec.replicas, load=before.requests_per_s)


def _served_so_far(run: Run, production: int | None, model_id: int | None) -> dict[str, Any] | None:
    """How many requests the present Production version was sent and failed, for the watch to compare with."""
    if production is None:
        return None
    deployment = deployment_of(run, model_id)
    replicas = deployment.replicas if deployment is not None else ()
    found = [read(r.metrics_address) for r in replicas if r.state == "ready" and r.metrics_address is not None]
    counted = [reading for reading in found if reading is not None]  # one may just be ending
    return {
        "version": production,
        "requests": sum(reading.requests for reading in counted),
        "failures": sum(reading.failures for reading in counted),
    }


def _left(run: Run, move: dict[str, Any]) -> str:
    """What became of the displaced servers: kept warm for a rollback, or drained and gone, which is waited for."""
    name = f"{move['model']}@{move['displaced']}"
    model_id = run.api.model_version(move["model"], move["displaced"])["model_id"]

    def settled() -> str | None:
        found = deployment_of(run, model_id)
        if found is None:
            return f"{name} is archived; its servers have drained and are gone"
        if found.state == "draining":
            return None
        if found.kept_warm_until_ms is None:
            return f"{name} is wanted again: its servers stay"
        kept_s = (found.kept_warm_until_ms - move["at_ms"]) / 1000
        return f"{name} is archived; its servers stay warm for {kept_s:.0f} s, so that a rollback starts nothing"

    return wait_until(settled, run.deadline, f"the servers of {name} have drained")
