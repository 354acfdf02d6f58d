"""Deployments: what is wanted and running for one version."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from seatrial.errors import NotDeployed
from seatrial.hardware import HardwareOption
from seatrial.manager.deploying import deploy
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import Answer, Body, Environment, Manager, ModelId
from seatrial.manager.sweep import DRAIN_S
from seatrial.registry.entities import Stage
from seatrial.serving.spec import Deployment

router = APIRouter(tags=["deployments"], route_class=GuardedRoute)


class DeploymentRequest(Body):
    option: HardwareOption
    replicas: int = Field(1, ge=1, le=256)
    environment: Environment = "local"


class ListedDeployment(Deployment):
    stage: Stage | None = Field(
        description="Of its version in its environment; null while the registry's store is away and nobody knows it."
    )


class DeploymentList(Answer):
    deployments: list[ListedDeployment]


class Draining(Answer):
    state: Literal["draining"] = "draining"


@router.get("/deployments")
def list_deployments(manager: Manager) -> DeploymentList:
    found = manager.deployments.all()
    return DeploymentList(
        deployments=[ListedDeployment(**dict(one), stage=manager.stage_of(one.spec)) for one in found]
    )


@router.put("/versions/{model_id}/deployment", status_code=202)
def want(model_id: ModelId, wanted: DeploymentRequest, manager: Manager) -> Deployment:
    """State what shall run; read the deployment until it is ready. The same wish again changes nothing."""
    version = manager.registry.by_id(model_id)
    return deploy(manager, version, wanted.environment, wanted.option, wanted.replicas)


@router.get("/versions/{model_id}/deployment")
def show(model_id: ModelId, manager: Manager, environment: Environment = "local") -> Deployment:
    found = manager.deployments.get(model_id, environment)
    if found is None:
        version = manager.registry.by_id(model_id)
        raise NotDeployed(f"{version.model}@{version.version} is not deployed in {environment!r}")
    return found


@router.delete("/versions/{model_id}/deployment", status_code=202)
def drop(model_id: ModelId, manager: Manager, environment: Environment = "local") -> Draining:
    """Its clients are told at once, its servers end a moment later. One that is not there is no error."""
    manager.deployments.drop(model_id, environment, drain_s=DRAIN_S)
    return Draining()
