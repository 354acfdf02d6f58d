"""The former Production version again: for a person, a DAG and the watch alike. Called until it says it is done."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from seatrial.autoscale.derive import ScalingPolicy
from seatrial.autoscale.replicas import replicas_to_start
from seatrial.errors import Conflict, Refused, ServerFailed
from seatrial.manager.deploying import deploy
from seatrial.manager.policies import keep_pushed, pushed_policy
from seatrial.manager.sweep import sweep
from seatrial.registry.entities import ModelVersion, StageMove
from seatrial.registry.rules import ANY, Author, Expectation, Ledger, current, rollback_target
from seatrial.serving.spec import Deployment

if TYPE_CHECKING:
    from seatrial.manager.composition import InferenceManager

log = logging.getLogger(__name__)


class Rollback(BaseModel):
    """How far a rollback is. `starting`: the former version's servers are on their way, Production is untouched.
    `done`: `move` is its entry in the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: int
    model_id: int
    replaces: int | None
    state: Literal["starting", "done"]
    move: StageMove | None = None


def roll_back(
    manager: InferenceManager, model: str, environment: str, author: Author, *, replaces: Expectation = ANY
) -> Rollback:
    """One step of going back, with the hardware option, replicas and scaling policy that the version had. Never waits.

    Servers that were kept warm make the first call the last. The run in `author` tells a repeated call from another
    rollback: after a success it answers the same entry. `replaces`: the version that must still be Production.
    Raises NoSuchVersion without a former version, Refused when that one never had a policy, Conflict when somebody
    moved Production meanwhile, ServerFailed with the log's last lines when its servers cannot start.
    """
    ledger = manager.registry.ledger(model)
    production = current(ledger, environment).production
    done = _made_by(ledger, environment, author.run)
    if done is not None:
        return _answer(manager.registry.version(model, done.version), done.displaced, _still(done, production))
    if replaces is not ANY and replaces != production:
        raise Conflict(f"{model}: @{production} is in Production, not @{replaces} as when the rollback began")
    version = manager.registry.version(model, rollback_target(ledger, environment))
    policy = _policy(manager, version)
    present = _deployment(manager, model, production, environment)
    if not _ready(manager, version, policy, environment, present):
        return _answer(version, production, None)
    move = manager.registry.move_stage(
        model,
        version.version,
        "Production",
        environment=environment,
        expect_production=production,
        who=author.who,
        run=author.run,
        why=f"rollback: {author.why}",
    )
    manager.rollovers.moved(move, manager.deployments.all())
    manager.news.changed()
    keep_pushed(manager, policy, version.model_id, author.run)
    log.info("%s is back at @%d in %s, from @%s: %s", model, version.version, environment, production, author.why)
    sweep(manager)
    return _answer(version, production, move)


def _made_by(ledger: Ledger, environment: str, run: str) -> StageMove | None:
    made = (m for m in ledger if (m.environment, m.to_stage, m.run) == (environment, "Production", run))
    return next(made, None)


def _still(done: StageMove, production: int | None) -> StageMove:
    if done.version != production:
        raise Conflict(
            f"{done.model}: this run went back to @{done.version} (ledger entry {done.seq}), but somebody moved"
            f" Production to @{production} since: it is left alone"
        )
    return done


def _policy(manager: InferenceManager, version: ModelVersion) -> ScalingPolicy:
    policy = pushed_policy(manager, version.model_id)
    if policy is None:
        name = f"{version.model}@{version.version}"
        raise Refused(f"{name} was never given a scaling policy: it cannot be restored as it was")
    return policy


def _ready(
    manager: InferenceManager,
    version: ModelVersion,
    policy: ScalingPolicy,
    environment: str,
    present: Deployment | None,
) -> bool:
    """Whether its servers answer; asks for them where they are not on their way. `present` serves meanwhile."""
    found = manager.deployments.get(version.model_id, environment)
    replicas = replicas_to_restore(policy, found, present)
    if found is None or not _as_wanted(found, policy, replicas):
        found = deploy(manager, version, environment, policy.option, replicas)
    if found.state == "failed":
        manager.deployments.drop(version.model_id, environment)
        tail = "\n  ".join(line for replica in found.replicas for line in replica.log_tail)
        raise ServerFailed(f"{version.model}@{version.version} cannot be restored: {found.error}\n  {tail}".rstrip())
    return found.state == "ready"


def replicas_to_restore(policy: ScalingPolicy, found: Deployment | None, present: Deployment | None) -> int:
    """Of what is `found` of the former version no fewer than it had, and what the load on the `present` one needs.

    Where that is not known, what the version had is believed: the present one may have failed whatever its number.
    """
    kept = found.spec.replicas if found is not None and found.spec.option == policy.option else 0
    running = present.spec.replicas if present is not None else 0
    load = present.requests_per_s if present is not None else None
    return max(kept, replicas_to_start(policy, running=kept or running, load=load).replicas)


def _deployment(manager: InferenceManager, model: str, production: int | None, environment: str) -> Deployment | None:
    if production is None:
        return None
    return manager.deployments.get(manager.registry.version(model, production).model_id, environment)


def _as_wanted(found: Deployment, policy: ScalingPolicy, replicas: int) -> bool:
    asked_for = found.state != "draining" and found.kept_warm_until_ms is None
    return asked_for and found.spec.option == policy.option and found.spec.replicas >= replicas


def _answer(version: ModelVersion, replaces: int | None, move: StageMove | None) -> Rollback:
    return Rollback(
        model=version.model,
        version=version.version,
        model_id=version.model_id,
        replaces=replaces,
        state="starting" if move is None else "done",
        move=move,
    )
