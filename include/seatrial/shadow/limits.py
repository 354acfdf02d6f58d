"""What "the same answers, as fast" means: tolerances of a comparison class and the limits of a verdict, as values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from seatrial.errors import Refused

ComparisonClass = Literal["same-graph-fp32", "same-graph-fp16", "retrained"]
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
    beta: float = Field(0.05, gt=0, lt=0.5, description="Chance to accept a candidate at p_bad.")
    min_requests: int = Field(200, ge=20, description="No PASS from fewer requests.")
    max_requests: int = Field(5000, ge=20, description="Given up after that many.")
    error_excess: float = Field(0.001, ge=0, lt=1, description="Share of failed requests above Production's.")
    error_confidence: float = Field(0.95, gt=0.5, lt=1, description="One-sided confidence of an error verdict.")
    latency_ratio: float = Field(1.10, gt=0, description="Staging's latency over Production's, at p50 and at p95.")
    latency_interval: float = Field(0.90, gt=0.5, lt=1, description="Two-sided level of the ratio's interval.")
    live_share: float = Field(0.0, ge=0, le=1, description="Share of min_requests that must be different live ones.")

    @property
    def live_needed(self) -> int:
        """How many different captured requests a verdict needs."""
        return math.ceil(self.live_share * self.min_requests)

    @model_validator(mode="after")
    def _ordered(self) -> Limits:
        if self.p_good >= self.p_bad:
            raise ValueError(f"p_good {self.p_good:g} must be below p_bad {self.p_bad:g}")
        if self.min_requests > self.max_requests:
            raise ValueError(f"min_requests {self.min_requests} passes max_requests {self.max_requests}")
        return self


def limits_for(comparison: Mapping[str, Any]) -> Limits:
    """The limits for a manifest's `comparison`: what it gives of Limits, else (or null) the defaults of its class.

    Raises Refused naming the field for an unknown class, a retrained model without its rtol, and values out of range:
    a missing limit is an error, never a pass.
    """
    name = comparison.get("comparison_class", "same-graph-fp32")
    tolerance = CLASSES.get(name)
    if tolerance is None:
        known = ", ".join(CLASSES)
        raise Refused(f"comparison.comparison_class: {name!r} is not one of {known}", field="comparison_class")
    given = {key: comparison[key] for key in Limits.model_fields if comparison.get(key) is not None}
    if tolerance.rtol is None and "rtol" not in given:
        raise Refused(
            f"comparison.rtol: is missing: a {name} model must declare how far its outputs may be from those of the "
            "version before (relative L2 distance)",
            field="comparison.rtol",
        )
    defaults = {"measure": tolerance.measure, "rtol": tolerance.rtol, "atol": tolerance.atol}
    rates = {"p_good": tolerance.p_good, "p_bad": tolerance.p_bad}
    try:
        return Limits.model_validate({"comparison_class": name, **defaults, **rates, **given})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "limits"
        raise Refused(f"comparison.{field}: {first['msg']}", field=f"comparison.{field}") from error
