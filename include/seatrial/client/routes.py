"""The discovery document, understood (pure): where a request for a model has to go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from seatrial.client.encoder import Encoder
from seatrial.errors import ManagerUnavailable, NoSuchModel, NoSuchVersion, NotDeployed
from seatrial.tensors import Signature


@dataclass(frozen=True)
class Endpoint:
    """One Inference Server; `weight` is proportional to the load that it carries."""

    address: str
    weight: float


@dataclass(frozen=True)
class CaptureRule:
    """Which share of the requests is kept, and at most how many a minute; none above `largest_bytes` of tensors, and
    without the layers named in `without`."""

    share: float
    per_minute: int
    largest_bytes: int = 64 * 2**20
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    """One version of a model and the servers that answer for it."""

    model: str
    version: int
    model_id: int
    signature: Signature
    endpoints: tuple[Endpoint, ...]
    capture: CaptureRule
    production: bool = True

    @cached_property
    def encoder(self) -> Encoder:
        return Encoder(self.model, self.version, self.signature)


STAGES = ("production", "staging")
"""Those that a server answers for."""

LISTED = 20
"""Names in a message at most: a registry has thousands."""


class Target(NamedTuple):
    """What a caller asks for: a name, with a version or a stage; or a model id."""

    model: str | int
    version: int | None = None
    stage: str = "Production"
    environment: str = "local"


class Routes:
    """What one discovery document says. Look-ups raise with what exists, so that a caller sees what to ask for."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._models: Mapping[str, Any] = document.get("models", {})
        self._found: dict[Target, Route] = {}

    def find(self, target: Target) -> Route:
        """The same object for the same target. Raises NoSuchModel, NoSuchVersion or NotDeployed."""
        found = self._found.get(target)
        if found is None:
            with _understood():
                found = self._found[target] = self._find(target)
        return found

    def addresses(self) -> set[str]:
        """Of all servers of all models."""
        with _understood():
            return self._addresses()

    def _addresses(self) -> set[str]:
        return {
            endpoint["address"]
            for model in self._models.values()
            for where in model["environments"].values()
            for version in where["versions"].values()
            for endpoint in version["endpoints"]
        }

    def environments(self, model: str) -> Mapping[str, Any]:
        """By environment: the numbers in Production and Staging, and the addresses of each version that is served."""
        return {
            name: {
                "production": where["production"],
                "staging": where["staging"],
                "versions": {
                    int(number): [endpoint["address"] for endpoint in version["endpoints"]]
                    for number, version in where["versions"].items()
                },
            }
            for name, where in self._models[model]["environments"].items()
        }

    def _find(self, target: Target) -> Route:
        model, environment = target.model, target.environment
        if isinstance(model, int):
            return self._by_id(model, environment)
        if model not in self._models:
            raise NoSuchModel(f"no model {model!r}; registered: {_listed(self._models)}", model=model)
        where = self._models[model]["environments"].get(environment)
        if where is None:
            known = _listed(self._models[model]["environments"])
            raise NotDeployed(f"{model!r} runs nowhere in environment {environment!r}; it knows {known}", model=model)
        stage = target.stage.lower()
        staged = where[stage] if stage in STAGES else None
        wanted = staged if target.version is None else target.version
        if wanted is None:
            holders = ", ".join(f"{name.capitalize()} has {where[name] or 'none'}" for name in STAGES)
            raise NotDeployed(
                f"{model!r} has no version in {target.stage} in {environment!r}: {holders}; "
                f"versions that run: {_running(where)}",
                model=model,
                stage=target.stage,
            )
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
            raise NotDeployed(
                f"no server answers for {model}@{version} in {environment!r}; versions that run: {_running(where)}",
                model=model,
                version=version,
            )
        return Route(
            model,
            version,
            found["model_id"],
            Signature.from_dict(found["signature"]),
            tuple(Endpoint(e["address"], float(e["weight"])) for e in found["endpoints"]),
            _capture_rule(self._models[model]["capture"]),
            production=where["production"] == version,
        )


def _running(where: Mapping[str, Any]) -> str:
    return ", ".join(number for number, version in where["versions"].items() if version["endpoints"]) or "none"


def _listed(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
    return (", ".join(found[:LISTED]) or "none") + more


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ManagerUnavailable(f"the discovery document cannot be understood: {error!r}") from error


def _capture_rule(told: Mapping[str, Any]) -> CaptureRule:
    """Fields that a manager may tell or not have their defaults."""
    largest = int(told.get("largest_bytes", CaptureRule.largest_bytes))
    return CaptureRule(float(told["share"]), int(told["per_minute"]), largest, tuple(told.get("without", ())))
