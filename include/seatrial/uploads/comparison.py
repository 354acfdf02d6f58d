"""The manifest's `comparison`: what "the same answers" means for a model, output by output."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from seatrial.uploads.fields import LayerName

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

Rtol = Annotated[float | None, Field(ge=0, le=1e6, description="Difference allowed, as a share of Production's value.")]
Atol = Annotated[float | None, Field(ge=0, description="Difference allowed besides, in the output's own unit.")]

PRODUCTION_SHARE = 0.01
STABILITY = 0.25
BETA = 0.01
ERROR_EXCESS = 0.001

ComparisonClass = Literal["same-graph-fp32", "same-graph-fp16", "same-graph-bf16", "quantised", "retrained"]


class Values(BaseModel):
    """Numbers, one by one: floats within a tolerance, all else exactly. The only kind for integers and booleans."""

    model_config = _STRICT

    kind: Literal["values"] = "values"
    measure: Literal["element", "relative-l2"] | None = Field(
        default=None, description="element: |b−a| ≤ atol + rtol·|a| each; relative-l2: ‖b−a‖ ≤ rtol·‖a‖ + atol·√n."
    )
    rtol: Rtol = None
    atol: Atol = None
    order: Literal["as-given", "any"] = Field(
        default="as-given", description="any: the rows are a set, and are sorted before they are compared."
    )


class Label(BaseModel):
    """Scores of classes in the last dimension, of which the highest counts. Ties within the tolerance agree."""

    model_config = _STRICT

    kind: Literal["label"]
    rows: float = Field(default=1.0, gt=0, le=1, description="Share of the answer's rows that must agree.")


class Ranking(BaseModel):
    """Scores of items in the last dimension, or (integers) their ids in order, of which the first ones count."""

    model_config = _STRICT

    kind: Literal["ranking"]
    top: int = Field(default=10, ge=1, le=100_000, description="So many of the first count.")
    overlap: float = Field(default=0.9, gt=0, le=1, description="Share of them that must be the same items.")


class Embedding(BaseModel):
    """Vectors in the last dimension, whose direction counts."""

    model_config = _STRICT

    kind: Literal["embedding"]
    cosine: float = Field(default=0.99, gt=0, le=1, description="Least cosine of the angle between two of them.")


class Boxes(BaseModel):
    """Detections in any order, [n, 4] with scores and labels in outputs of their own, matched by overlap (IoU)."""

    model_config = _STRICT

    kind: Literal["boxes"]
    corners: Literal["xyxy", "xywh", "cxcywh"] = Field(default="xyxy", description="What the four numbers are.")
    scores: LayerName | None = Field(default=None, description="The output with a score for each box.")
    labels: LayerName | None = Field(default=None, description="The output with a class for each box.")
    least_score: float = Field(default=0.0, description="Boxes below that are none: padding, or what nobody uses.")
    iou: float = Field(default=0.75, gt=0, le=1, description="Least overlap of two boxes that are the same one.")
    found: float = Field(
        default=0.9, gt=0, le=1, description="Share of all boxes, 2·matches/(both counts), that must be matched."
    )


class Text(BaseModel):
    """Text, by how many characters would have to be edited."""

    model_config = _STRICT

    kind: Literal["text"]
    edits: float = Field(default=0.0, ge=0, le=1, description="Edits allowed, as a share of the longer text.")


Output = Annotated[Values | Label | Ranking | Embedding | Boxes | Text, Field(discriminator="kind")]
