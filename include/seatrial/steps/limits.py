"""Which limits hold for a version: its manifest's, and where that is silent those of what changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.client.manager_api import ManagerAPI
from seatrial.formats.weights import Weights
from seatrial.served_model import ServedModel
from seatrial.shadow.limits import Limits
from seatrial.shadow.relation import Built, built_of, limits_between


def limits_of(api: ManagerAPI, version: Mapping[str, Any], production: Mapping[str, Any] | None) -> tuple[Limits, str]:
    """The limits by which `version` is compared with the `production` version, and why its class is what it is. Raises
    Refused where its manifest lacks one."""
    comparison, signature = version["manifest"]["comparison"], _served(version).signature
    return limits_between(comparison, signature, built(api, version), built(api, production) if production else None)


def built(api: ManagerAPI, version: Mapping[str, Any]) -> Built:
    """What a version is made of. One that was checked before weights were looked at has none."""
    checked = next(iter(api.evidence(version["model_id"], "CheckFormat")), None)
    weights = Weights.model_validate(checked["document"].get("weights", {}) if checked else {})
    return built_of(_served(version), version["tree_digest"], weights)


def _served(version: Mapping[str, Any]) -> ServedModel:
    return ServedModel.model_validate(version["served"])
