"""What "the same answers, as fast" means: tolerances of a comparison class and the limits of a verdict, as values."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from seatrial.errors import Refused
from seatrial.shadow.sequential import requests_to_accept
from seatrial.shadow.tolerance import Room
from seatrial.uploads.comparison import BETA, ERROR_EXCESS, STABILITY, Boxes, ComparisonClass, Output, Values

Measure = Literal["element", "relative-l2"]


@dataclass(frozen=True)
class Tolerance:
    """Defaults of one comparison class. An `rtol` of None must come from the manifest: nobody else can know it."""

    measure: Measure
    rtol: float | None
    atol: float
    p_good: float
    p_bad: float


CLASSES: dict[ComparisonClass, Tolerance] = {
    "same-graph-fp32": Tolerance("element", 1e-3, 1e-5, p_good=0.001, p_bad=0.01),
    "same-graph-fp16": Tolerance("element", 1e-2, 1e-3, p_good=0.001, p_bad=0.01),
    "same-graph-bf16": Tolerance("element", 2e-2, 1e-3, p_good=0.001, p_bad=0.01),
    "quantised": Tolerance("relative-l2", None, 0.0, p_good=0.01, p_bad=0.03),
    "retrained": Tolerance("relative-l2", None, 0.0, p_good=0.01, p_bad=0.03),
}


class Limits(BaseModel):
    """Every limit that a shadow verdict uses. Kept in the report, so that a reader can recompute the verdict."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    comparison_class: ComparisonClass
    measure: Measure = Field(
        description="element: |b−a| ≤ atol + rtol·|a| each; relative-l2: ‖b−a‖ ≤ rtol·‖a‖ + atol·√n."
    )
    rtol: float = Field(ge=0)
    atol: float = Field(ge=0)
    large_elements: int = Field(1000, ge=1, description="Above this many elements, large_share is enough.")
    large_share: float = Field(0.999, gt=0, le=1, description="Share of a large tensor's elements within tolerance.")
    p_good: float = Field(gt=0, lt=0.5, description="Share of excess mismatches of a candidate to accept.")
    p_bad: float = Field(gt=0, lt=0.5, description="Share of excess mismatches of a candidate to reject.")
    alpha: float = Field(0.05, gt=0, lt=0.5, description="Chance to reject a candidate at p_good.")
    beta: float = Field(BETA, gt=0, lt=0.5, description="Chance to accept a candidate at p_bad.")
    min_requests: int = Field(200, ge=20, description="No PASS from fewer requests.")
    max_requests: int = Field(5000, ge=20, description="Given up after that many.")
    error_excess: float = Field(
        ERROR_EXCESS, ge=0, lt=1, description="Share of failed requests above Production's of a candidate to accept."
    )
    error_bad: float = Field(
        5 * ERROR_EXCESS,
        gt=0,
        lt=1,
        description="Share above Production's that no candidate may have, with chance beta.",
    )
    error_confidence: float = Field(0.95, gt=0.5, lt=1, description="One-sided confidence of an error verdict.")
    stability: float = Field(STABILITY, gt=0, description="Population stability index of an output, at most.")
    latency_ratio: float = Field(1.10, gt=0, description="Staging's latency over Production's, at p50 and at p95.")
    latency_interval: float = Field(0.90, gt=0.5, lt=1, description="Two-sided level of the ratio's interval.")
    live_share: float = Field(0.0, ge=0, le=1, description="Share of min_requests that must be different live ones.")
    outputs: dict[str, Output] = Field({}, description="Outputs that are not compared number by number, or otherwise.")

    @property
    def parts(self) -> frozenset[str]:
        """Outputs that are compared with boxes, as their scores and labels, and not by themselves."""
        boxes = (kind for kind in self.outputs.values() if isinstance(kind, Boxes))
        return frozenset(part for kind in boxes for part in (kind.scores, kind.labels) if part is not None)

    @property
    def room(self) -> Room:
        return Room(self.rtol, self.atol)

    def of(self, layer: str) -> Limits:
        """With the tolerances that hold for the numbers of this layer."""
        kind = self.outputs.get(layer)
        given = (
            kind.model_dump(include={"measure", "rtol", "atol"}, exclude_none=True) if isinstance(kind, Values) else {}
        )
        return self.model_copy(update=given)

    @property
    def live_needed(self) -> int:
        """How many different captured requests a verdict needs."""
        return math.ceil(self.live_share * self.min_requests)

    @model_validator(mode="after")
    def _ordered(self) -> Limits:
        if self.p_good >= self.p_bad:
            raise ValueError(f"p_good {self.p_good:g} must be below p_bad {self.p_bad:g}")
        if self.error_excess >= self.error_bad:
            raise ValueError(f"error_excess {self.error_excess:g} must be below error_bad {self.error_bad:g}")
        if self.min_requests > self.max_requests:
            raise ValueError(f"min_requests {self.min_requests} passes max_requests {self.max_requests}")
        return self


def limits_for(comparison: Mapping[str, Any], floats: Collection[str] | None = None, because: str = "") -> Limits:
    """The limits for a manifest's `comparison`: what it gives of Limits, else (or null) the defaults of its class.

    `floats` are the model's outputs that hold fractions, where they are known: those of a retrained or quantised model
    that are compared number by number need an rtol. `because` says why the class is what it is, for whoever has not
    chosen it.

    Raises Refused naming the field for an unknown class, a missing rtol, values out of range, and too few requests for
    any PASS: a missing limit is an error, never a pass.
    """
    name: Any = comparison.get("comparison_class") or "same-graph-fp32"
    tolerance = CLASSES.get(name)
    if tolerance is None:
        known = ", ".join(CLASSES)
        raise Refused(f"comparison.comparison_class: {name!r} is not one of {known}", field="comparison_class")
    given = {key: comparison[key] for key in Limits.model_fields if comparison.get(key) is not None}
    defaults = {"measure": tolerance.measure, "rtol": tolerance.rtol or 0.0, "atol": tolerance.atol}
    rates = {
        "p_good": tolerance.p_good,
        "p_bad": tolerance.p_bad,
        "error_bad": _error_bad(given.get("error_excess", ERROR_EXCESS)),
    }
    try:
        limits = Limits.model_validate({**defaults, **rates, **given, "comparison_class": name})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "limits"
        raise Refused(f"comparison.{field}: {first['msg']}", field=f"comparison.{field}") from error
    if tolerance.rtol is None and "rtol" not in given and (without := _without_limit(limits, floats)):
        raise Refused(
            f"comparison.rtol: is missing: this version counts as {name}{f' ({because})' if because else ''}, so its "
            f"manifest must say how far {without} may be from Production's (relative L2 distance), or in "
            "comparison.outputs what counts of it; or name another comparison_class",
            field="comparison.rtol",
        )
    needed = max(
        requests_to_accept(0.0, limits.p_good, limits.p_bad, limits.alpha, limits.beta),
        requests_to_accept(0.0, limits.error_excess, limits.error_bad, limits.alpha, limits.beta),
    )
    if limits.max_requests < needed:
        raise Refused(
            f"comparison.max_requests: no version passes by {limits.max_requests} requests (limit: {needed} or more "
            f"exclude p_bad {limits.p_bad:g} and error_bad {limits.error_bad:g} with beta {limits.beta:g})",
            field="comparison.max_requests",
        )
    return limits


def _error_bad(excess: float) -> float:
    return max(5 * ERROR_EXCESS, min(5 * excess, (1 + excess) / 2))


def _without_limit(limits: Limits, floats: Collection[str] | None) -> str:
    """The outputs that would be compared by their numbers without a tolerance, in words; empty when there is none."""
    if floats is None:
        return "its outputs"
    bare = (layer for layer in floats if layer not in limits.parts)
    return ", ".join(layer for layer in bare if _by_numbers(limits.outputs.get(layer)))


def _by_numbers(kind: Output | None) -> bool:
    """Whether an output of that kind is compared by numbers, and has no tolerance of its own."""
    return kind is None or (isinstance(kind, Values) and kind.rtol is None)
