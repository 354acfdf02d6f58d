"""The scaling policy of a model's Production version, with the measurement that it was derived from."""

from __future__ import annotations

from fastapi import APIRouter

from seatrial.autoscale.derive import ScalingPolicy
from seatrial.errors import Conflict, NotFound, Refused
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.policies import keep_pushed, pushed_policy
from seatrial.manager.routes.common import Body, Environment, Manager, ModelName, RunId
from seatrial.registry.entities import ModelVersion
from seatrial.registry.rules import current

router = APIRouter(tags=["scaling"], route_class=GuardedRoute)


class PolicyRequest(Body):
    policy: ScalingPolicy
    run: RunId = ""


@router.put("/models/{model}/scaling-policy")
def push(model: ModelName, wanted: PolicyRequest, manager: Manager) -> ScalingPolicy:
    """Keep the policy as evidence of its version. Refused when it names two different versions; a conflict when it was
    measured on another version than Production's, or on other hardware."""
    policy = wanted.policy
    version = manager.registry.version(model, policy.version)
    _check_names(policy, version)
    production = current(manager.registry.ledger(model), policy.environment).production
    if production != policy.version:
        raise Conflict(
            f"the policy was measured on {model}@{policy.version}, Production there is {production}",
            version=policy.version,
            production=production,
        )
    running = manager.deployments.get(version.model_id, policy.environment)
    if running is None or running.spec.option.name != policy.option.name:
        found = running.spec.option.name if running else "nothing"
        raise Conflict(
            f"the policy was measured on {policy.option.name}, but {model}@{policy.version} runs on {found}",
            measured=policy.option.name,
            running=found,
        )
    keep_pushed(manager, policy, version.model_id, wanted.run)
    return policy


def _check_names(policy: ScalingPolicy, version: ModelVersion) -> None:
    for field, said, limit in (
        ("policy.model", policy.model, version.model),
        ("policy.model_id", policy.model_id, version.model_id),
    ):
        if said != limit:
            raise Refused(
                f"{field}: {said!r} is not that of {version.model}@{version.version} (limit: {limit!r})",
                field=field,
                value=said,
                limit=limit,
            )


@router.get("/models/{model}/scaling-policy")
def show(model: ModelName, manager: Manager, environment: Environment = "local") -> ScalingPolicy:
    """The policy in force: the last one pushed for the version that is in Production."""
    production = current(manager.registry.ledger(model), environment).production
    if production is None:
        raise NotFound(f"{model!r} has no Production version in {environment!r}")
    policy = pushed_policy(manager, manager.registry.version(model, production).model_id)
    if policy is None:
        raise NotFound(f"no scaling policy was pushed for {model}@{production}")
    return policy
