"""How a new version relates to the one in Production, where its manifest does not say (pure).

What can be seen are the files: which weights are in them, of which number format. Weights can be compared where both
versions have one format; another format may lay the same weights out otherwise, and is held to the same answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seatrial.formats.weights import QUANTISED, Weights
from seatrial.served_model import ServedModel
from seatrial.shadow.limits import Limits, limits_for
from seatrial.tensors import Signature
from seatrial.uploads.comparison import ComparisonClass
from seatrial.uploads.comparison_fit import FLOATS

HALF: dict[str, ComparisonClass] = {"FP16": "same-graph-fp16", "BF16": "same-graph-bf16"}


@dataclass(frozen=True)
class Built:
    """What a version is made of: its format, the digest of its files, its weights, the dtypes of its layers."""

    format: str
    tree_digest: str
    weights: Weights = field(default_factory=Weights)
    layers: frozenset[str] = frozenset()


def built_of(served: ServedModel, tree_digest: str, weights: Weights) -> Built:
    layers = frozenset(spec.dtype for spec in (*served.signature.inputs, *served.signature.outputs))
    return Built(served.format, tree_digest, weights, layers)


def class_alone(built: Built) -> tuple[ComparisonClass, str]:
    """The class of a version that is compared with a runtime's answers to the same file, and why."""
    if built.format == "tensorrt":
        return "same-graph-fp16", "a TensorRT plan computes in TF32 or FP16 unless it was told otherwise"
    precision = built.weights.precision
    if precision in HALF:
        return HALF[precision], f"most weights are {precision}"
    for half in HALF.keys() & built.layers:
        return HALF[half], f"layers are {half}"
    return "same-graph-fp32", f"most weights are {precision}" if precision else "it shows no weights"


def class_of(production: Built, staging: Built) -> tuple[ComparisonClass, str]:
    """The comparison class of a version beside the one in Production, and why in half a sentence."""
    alone, why = class_alone(staging)
    before, now = production.weights.precision, staging.weights.precision
    if production.tree_digest == staging.tree_digest:
        return alone, "the files are the same"
    if before != now and now in QUANTISED:
        return "quantised", f"most weights were {before or 'unknown'} and are {now}"
    if production.format != staging.format:
        return alone, f"the format was {production.format} and is {staging.format}; {why}"
    if not before or not now:
        return alone, why
    if before != now and now in HALF:
        return alone, f"most weights were {before} and are {now}"
    if production.weights.digest != staging.weights.digest:
        return "retrained", "the weights differ from those in Production"
    return alone, "the weights are those in Production, the graph differs"


def limits_between(
    comparison: Mapping[str, Any], signature: Signature, staging: Built, production: Built | None
) -> tuple[Limits, str]:
    """The limits by which a version is compared with the one in Production (None: with a runtime's answers to the same
    file), and why its comparison class is what it is. `comparison` is its manifest's, `signature` its own.

    Raises Refused where the manifest lacks a limit that the class needs.
    """
    chosen, why = comparison.get("comparison_class"), "its manifest says so"
    if chosen is None:
        chosen, why = class_alone(staging) if production is None else class_of(production, staging)
    floats = [spec.name for spec in signature.outputs if spec.dtype in FLOATS] if signature.outputs else None
    return limits_for({**comparison, "comparison_class": chosen}, floats, why), why
