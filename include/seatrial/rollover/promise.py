"""What validation promised of a version: the limits that it is watched against, read from its evidence (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from seatrial.autoscale.derive import ScalingPolicy
from seatrial.profiling.cell import Objective
from seatrial.registry.entities import Evidence
from seatrial.shadow.limits import Limits


class Served(BaseModel):
    """Requests that a version was sent while it was in Production, and how many of them failed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    requests: int
    failures: int

    @property
    def error_share(self) -> float:
        return self.failures / self.requests if self.requests else 0.0


class Promise(BaseModel):
    """`error_excess`: the share of failed requests that the shadow verdict allows above `before`, what Production had
    until the promotion (None for a first version). `rate_per_replica`: up to there the latency `objective` was
    measured to hold; None when it was not measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error_excess: float
    before: Served | None
    objective: Objective
    rate_per_replica: float | None

    @property
    def error_share(self) -> float:
        return self.error_excess + (self.before.error_share if self.before else 0.0)

    @property
    def said(self) -> str:
        """The errors' arithmetic in words."""
        if self.before is None:
            return f"limit {self.error_share:.2%}, the shadow verdict's"
        return (
            f"limit {self.error_share:.2%} = {self.before.error_share:.2%} of @{self.before.version} "
            f"({self.before.failures} of {self.before.requests}) + {self.error_excess:.2%}"
        )


def promise_of(run: str, manifest: Mapping[str, Any], evidence: Sequence[Evidence]) -> Promise | None:
    """The promise of a version that `run` promoted; None when it was never validated, so that nothing was promised.

    `evidence` is all of the version, newest first.
    """
    limits = _first(evidence, "ShadowValidate", "limits")
    if limits is None:
        return None
    before = next((e.document for e in evidence if (e.kind, e.key, e.run) == ("Promote", "before", run)), {})
    policy = _first(evidence, "ChooseHardware", "policy")
    objective = {key: manifest["objective"][key] for key in ("percentile", "latency_ms")}
    try:
        return Promise(
            error_excess=Limits.model_validate(limits).error_excess,
            before=before.get("production"),
            objective=Objective.model_validate(objective),
            rate_per_replica=None if policy is None else ScalingPolicy.model_validate(policy).lambda_max,
        )
    except ValidationError:  # anyone with a token may keep evidence of any shape
        return None


def _first(evidence: Sequence[Evidence], kind: str, part: str) -> Any:
    return next((found.document.get(part) for found in evidence if found.kind == kind), None)
