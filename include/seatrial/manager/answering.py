"""Which version is asked for by a model's name, and which Inference Servers answer for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import NotDeployed
from seatrial.registry.entities import ModelVersion
from seatrial.registry.rules import current

if TYPE_CHECKING:
    from seatrial.manager.composition import InferenceManager

ENVIRONMENT = "local"
"""The Open Inference Protocol has no word for another one."""


def asked_for(manager: InferenceManager, model: str, number: int | None) -> ModelVersion:
    """The version of this number, else the one in Production. Raises NoSuchModel, NoSuchVersion, NotDeployed."""
    if number is None:
        number = current(manager.registry.ledger(model), ENVIRONMENT).production
    if number is None:
        raise NotDeployed(f"{model!r} has no version in Production", model=model, stage="Production")
    return manager.registry.version(model, number)


def addresses(manager: InferenceManager, version: ModelVersion) -> list[str]:
    """Where the version's ready servers answer. Raises NotDeployed with the versions that do."""
    found = [endpoint.address for endpoint in manager.deployments.endpoints(version.model_id, ENVIRONMENT)]
    if not found:
        running = ", ".join(map(str, running_versions(manager, version.model))) or "none"
        raise NotDeployed(
            f"no server answers for {version.model}@{version.version}; versions that run: {running}",
            model=version.model,
            version=version.version,
        )
    return found


def running_versions(manager: InferenceManager, model: str) -> list[int]:
    """Those of a model for which a server is ready."""
    specs = [deployment.spec for deployment in manager.deployments.all()]
    here = [spec for spec in specs if (spec.served.name, spec.environment) == (model, ENVIRONMENT)]
    ready = [spec for spec in here if manager.deployments.endpoints(spec.model_id, ENVIRONMENT)]
    return sorted(spec.served.version for spec in ready)
