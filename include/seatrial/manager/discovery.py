"""The discovery document: which version of each model runs where. Clients learn everything from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from seatrial.registry.entities import ModelVersion
from seatrial.registry.rules import Stages, current
from seatrial.serving.observed import Endpoint
from seatrial.uploads.manifest import CAPTURED_BYTES

if TYPE_CHECKING:
    from seatrial.manager.composition import InferenceManager


_NO_CAPTURE = {"share": 0.0, "per_minute": 0, "largest_bytes": CAPTURED_BYTES, "without": []}


def document(manager: InferenceManager) -> dict[str, Any]:
    """The whole document as of now, read from the registry and the deployments."""
    serving: dict[str, dict[str, dict[int, tuple[Endpoint, ...]]]] = {}
    for deployment in manager.deployments.all():
        spec = deployment.spec
        by_version = serving.setdefault(spec.served.name, {}).setdefault(spec.environment, {})
        by_version[spec.served.version] = tuple(manager.deployments.endpoints(spec.model_id, spec.environment))
    manager.ledgers.look()
    models = {model.name: _entry(manager, model.name, serving.get(model.name)) for model in manager.registry.models()}
    return {"models": models}


def _entry(
    manager: InferenceManager, model: str, serving: dict[str, dict[int, tuple[Endpoint, ...]]] | None
) -> dict[str, Any]:
    """Of a model that runs nowhere only the name is told: a registry has thousands, and this is read at each change."""
    if serving is None:
        return model_entry((), {})
    moves = manager.ledgers.of(model)
    here = {"local", *(move.environment for move in moves), *serving}
    environments = {name: (current(moves, name), serving.get(name, {})) for name in sorted(here)}
    told = {number for stages, running in environments.values() for number in (*running, stages.production)}
    versions = [manager.registry.version(model, number) for number in told if number is not None]
    return model_entry(versions, environments)


def model_entry(
    versions: Iterable[ModelVersion],
    environments: dict[str, tuple[Stages, dict[int, tuple[Endpoint, ...]]]],
) -> dict[str, Any]:
    """One model's part of the document. `environments` gives for each its stages, and its endpoints by version."""
    by_number = {version.version: version for version in versions}
    return {
        "capture": _capture_rule(by_number, environments),
        "environments": {
            name: {
                "production": stages.production,
                "staging": stages.staging,
                "versions": {
                    str(number): {
                        "model_id": by_number[number].model_id,
                        "signature": by_number[number].served.signature.to_dict(),
                        "endpoints": [{"address": e.address, "weight": e.weight} for e in endpoints],
                    }
                    for number, endpoints in sorted(serving.items())
                    if number in by_number  # not one that was deleted while it was being deployed
                },
            }
            for name, (stages, serving) in environments.items()
        },
    }


def _capture_rule(
    by_number: dict[int, ModelVersion], environments: dict[str, tuple[Stages, dict[int, tuple[Endpoint, ...]]]]
) -> dict[str, Any]:
    """What the manifest of the Production version says; off where nothing is in Production."""
    numbers = (stages.production for stages, _ in environments.values() if stages.production is not None)
    rule: dict[str, Any] = next((by_number[number].manifest.get("capture", {}) for number in numbers), {})
    return {name: rule.get(name, default) for name, default in _NO_CAPTURE.items()}
