"""Do two answers to one request agree? Pure: tensors in, one finding a layer out. Source: methods, shadow verdict."""

from __future__ import annotations

from seatrial.shadow.boxes import compare_boxes
from seatrial.shadow.finding import TensorComparison, agreed, differs, incomparable, kind_of
from seatrial.shadow.labels import compare_labels, compare_rankings
from seatrial.shadow.likeness import compare_directions, compare_texts
from seatrial.shadow.limits import Limits
from seatrial.shadow.values import compare_exactly, compare_floats, in_one_order, not_finite
from seatrial.tensors import Array, Tensors, dtype_name
from seatrial.uploads.comparison import Boxes, Embedding, Label, Ranking, Text, Values


def compare_tensors(reference: Tensors, candidate: Tensors, limits: Limits) -> tuple[TensorComparison, ...]:
    """One finding a layer: those of the reference in their order, then layers that only the candidate has.

    Each by the kind that the limits say; without one by its numbers. Another dtype or shape, and a NaN or infinity that
    the reference does not have in that place, are mismatches whatever the kind. Scores and labels of boxes are compared
    with the boxes, and have no finding of their own.
    """
    found = [_compared(layer, reference, candidate, limits) for layer in reference if layer not in limits.parts]
    extra = [layer for layer in candidate if layer not in reference]
    return (*found, *(incomparable(layer, "extra layer", "nothing", kind_of(candidate[layer])) for layer in extra))


def _compared(layer: str, reference: Tensors, candidate: Tensors, limits: Limits) -> TensorComparison:
    kind = limits.outputs.get(layer)
    a, b = reference[layer], candidate.get(layer)
    if b is None:
        return incomparable(layer, "missing layer", kind_of(a), "nothing")
    if dtype_name(a) != dtype_name(b):
        return incomparable(layer, "dtype", kind_of(a), kind_of(b))
    if isinstance(kind, Boxes):
        return compare_boxes(layer, reference, candidate, kind, limits.room)
    if a.shape != b.shape:
        return incomparable(layer, "shape", kind_of(a), kind_of(b))
    return _of_kind(layer, a, b, kind, limits)


def _of_kind(layer: str, a: Array, b: Array, kind: object, limits: Limits) -> TensorComparison:
    """By its numbers what no other kind can be said of: a single number, or nothing at all."""
    if isinstance(kind, Values) and kind.order == "any":
        a, b = in_one_order(a), in_one_order(b)
    if not isinstance(kind, Values) and a.size and a.ndim:
        found = _by_likeness(layer, a, b, kind, limits)
        if found is not None:
            return found
    return compare_floats(layer, a, b, limits.of(layer)) if a.dtype.kind == "f" else compare_exactly(layer, a, b)


def _by_likeness(layer: str, a: Array, b: Array, kind: object, limits: Limits) -> TensorComparison | None:
    """None where that dtype has no such likeness."""
    if isinstance(kind, Text):
        return compare_texts(layer, a, b, kind) if a.dtype.kind == "O" else None
    if kind is None or a.dtype.kind not in "fiu":
        return None
    if a.dtype.kind == "f" and (odd := not_finite(a, b)) is not None:
        return differs(agreed(layer, a, 0.0), "NaN or Inf", at=odd, expected=f"{a[odd]:.9g}", got=f"{b[odd]:.9g}")
    if isinstance(kind, Label) and a.dtype.kind == "f":
        return compare_labels(layer, a, b, kind, limits.room)
    if isinstance(kind, Ranking):
        return compare_rankings(layer, a, b, kind, limits.room)
    return compare_directions(layer, a, b, kind) if isinstance(kind, Embedding) else None
