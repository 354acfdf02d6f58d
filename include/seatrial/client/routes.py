"""The discovery document, understood (pure): where a request for a model has to go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.errors import NoSuchModel, NoSuchVersion, NotDeployed
from seatrial.tensors import Signature


@dataclass(frozen=True)
class Endpoint:
    """One Inference Server; `weight` is proportional to the load that it carries."""

    address: str
    weight: float


@dataclass(frozen=True)
class CaptureRule:
    """Which share of the requests is kept, and at most how many a minute."""

    share: float
    per_minute: int


@dataclass(frozen=True)
class Route:
    """One version of a model and the servers that answer for it."""

    model: str
    version: int
    model_id: int
    signature: Signature
    endpoints: tuple[Endpoint, ...]
    capture: CaptureRule


class Routes:
    """What one discovery document says. Look-ups raise with what exists, so that a caller sees what to ask for."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._models: Mapping[str, Any] = document.get("models", {})

    def find(self, model: str | int, *, version: int | None, stage: str, environment: str) -> Route:
        """By name and stage, by name and version, or by model id. Raises NoSuchModel, NoSuchVersion or NotDeployed."""
        if isinstance(model, int):
            return self._by_id(model, environment)
        if model not in self._models:
            known = ", ".join(sorted(self._models)) or "none"
            raise NoSuchModel(f"no model {model!r}; registered: {known}", model=model)
        where = self._models[model]["environments"].get(environment)
        if where is None:
            known = ", ".join(sorted(self._models[model]["environments"])) or "none"
            raise NotDeployed(f"{model!r} runs nowhere in environment {environment!r}; it knows {known}", model=model)
        wanted = version if version is not None else where.get(stage.lower())
        if wanted is None:
            raise NotDeployed(f"{model!r} has no version in {stage} in {environment!r}", model=model, stage=stage)
        return self._route(model, wanted, where, environment)

    def _by_id(self, model_id: int, environment: str) -> Route:
        for name, entry in self._models.items():
            where = entry["environments"].get(environment, {"versions": {}})
            for number, found in where["versions"].items():
                if found["model_id"] == model_id:
                    return self._route(name, int(number), where, environment)
        raise NoSuchVersion(f"no deployed version has the model id {model_id} in {environment!r}", model_id=model_id)

    def _route(self, model: str, version: int, where: Mapping[str, Any], environment: str) -> Route:
        found = where["versions"].get(str(version))
        if found is None or not found["endpoints"]:
            running = ", ".join(n for n, v in where["versions"].items() if v["endpoints"]) or "none"
            raise NotDeployed(
                f"no server answers for {model}@{version} in {environment!r}; versions that run: {running}",
                model=model,
                version=version,
            )
        rule = self._models[model]["capture"]
        return Route(
            model,
            version,
            found["model_id"],
            Signature.from_dict(found["signature"]),
            tuple(Endpoint(e["address"], float(e["weight"])) for e in found["endpoints"]),
            CaptureRule(float(rule["share"]), int(rule["per_minute"])),
        )
