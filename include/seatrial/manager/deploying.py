"""A registered version as a deployment: its files, and the samples that each new replica must answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.hardware import HardwareOption
from seatrial.registry.entities import ModelVersion
from seatrial.serving.spec import Deployment, DeploymentSpec
from seatrial.serving.warmup import pack
from seatrial.uploads.samples import sample_inputs

if TYPE_CHECKING:
    from seatrial.manager.composition import InferenceManager

WARMUP_SAMPLES = 8
"""Samples that a server is warmed up with at most; of equal shapes, one is enough."""


def deploy(
    manager: InferenceManager, version: ModelVersion, environment: str, option: HardwareOption, replicas: int
) -> Deployment:
    """Have a version deployed, and return at once what is so far. The same wish again changes nothing."""
    spec = DeploymentSpec(
        model_id=version.model_id,
        served=version.served,
        environment=environment,
        option=option,
        replicas=replicas,
    )
    return manager.deployments.want(spec, warmup=_warmup(manager, version))


def _warmup(manager: InferenceManager, version: ModelVersion) -> bytes | None:
    """The version's first samples: it answered each of them once, so none can keep a server from getting ready."""
    paths = (version.manifest.get("samples") or [])[:WARMUP_SAMPLES]
    samples = (sample_inputs(path, manager.artifacts.read(version.tree_digest, path), version.served) for path in paths)
    return pack(samples, version.served.signature.inputs) if paths else None
