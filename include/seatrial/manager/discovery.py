"""The discovery document: which version of each model runs where. Clients learn everything from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from seatrial.manager.routes.common import Answer
from seatrial.registry.entities import ModelVersion
from seatrial.registry.rules import Stages
from seatrial.serving.deployments import Endpoint
from seatrial.tensors import Signature


class CaptureRule(Answer):
    """Which share of live requests may be kept, and how many a minute at most."""

    share: float
    per_minute: float


class EndpointDocument(Answer):
    address: str
    weight: float


class ServingVersion(Answer):
    model_id: int
    signature: Signature
    endpoints: list[EndpointDocument]


class EnvironmentDocument(Answer):
    """The numbers in Production and Staging, and by number each version that is served or in Production."""

    production: int | None
    staging: int | None
    versions: dict[str, ServingVersion]


class ModelRoutes(Answer):
    capture: CaptureRule
    environments: dict[str, EnvironmentDocument]


class DiscoveryDocument(Answer):
    """By model name. A model that runs nowhere has no environments."""

    models: dict[str, ModelRoutes]


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
    for stages, _ in environments.values():
        if stages.production is not None:
            rule = by_number[stages.production].manifest.get("capture", {})
            return {"share": rule.get("share", 0.0), "per_minute": rule.get("per_minute", 0)}
    return {"share": 0.0, "per_minute": 0}


def etag(document: dict[str, Any]) -> str:
    """A strong ETag of a document: equal documents, equal tags, across restarts too."""
    return '"' + hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32] + '"'
