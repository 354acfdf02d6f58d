"""Deployments: what is wanted and running for one version."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from seatrial.errors import NotDeployed
from seatrial.hardware import HardwareOption
from seatrial.manager.composition import InferenceManager
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import Answer, Body, Environment, Manager, ModelId
from seatrial.manager.sweep import DRAIN_S
from seatrial.registry.entities import ModelVersion
from seatrial.serving.spec import Deployment, DeploymentSpec
from seatrial.serving.warmup import pack
from seatrial.tensors import from_npz

router = APIRouter(tags=["deployments"], route_class=GuardedRoute)

WARMUP_SAMPLES = 8
"""Samples that a server is warmed up with at most; of equal shapes, one is enough."""


class DeploymentRequest(Body):
    option: HardwareOption
    replicas: int = Field(1, ge=1, le=256)
    environment: Environment = "local"


class DeploymentList(Answer):
    deployments: list[Deployment]


class Draining(Answer):
    state: Literal["draining"] = "draining"


@router.get("/deployments")
def list_deployments(manager: Manager) -> DeploymentList:
    return DeploymentList(deployments=manager.deployments.all())


@router.put("/versions/{model_id}/deployment", status_code=202)
def want(model_id: ModelId, wanted: DeploymentRequest, manager: Manager) -> Deployment:
    """State what shall run; read the deployment until it is ready. The same wish again changes nothing."""
    version = manager.registry.by_id(model_id)
    spec = DeploymentSpec(
        model_id=model_id,
        served=version.served,
        environment=wanted.environment,
        option=wanted.option,
        replicas=wanted.replicas,
    )
    return manager.deployments.want(spec, warmup=_warmup(manager, version))


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


def _warmup(manager: InferenceManager, version: ModelVersion) -> bytes | None:
    """The version's first samples: it answered each of them once, so none can keep a server from getting ready."""
    paths = (version.manifest.get("samples") or [])[:WARMUP_SAMPLES]
    samples = (from_npz(manager.artifacts.read(version.tree_digest, path)) for path in paths)
    return pack(samples, version.served.signature.inputs) if paths else None
