"""Do two answers to one request agree? Pure: tensors in, one finding a layer out. Source: methods, shadow verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from seatrial.shadow.limits import Limits
from seatrial.tensors import Array, Tensors, dtype_name

Flaw = Literal["", "missing layer", "extra layer", "dtype", "shape", "NaN or Inf", "values"]


@dataclass(frozen=True)
class TensorComparison:
    """One layer of a candidate's answer beside the reference's.

    `flaw` is empty when it passed. `share` is the part of the elements that agree. `max_abs` is the largest |b−a|,
    `max_rel` the largest |b−a|/|a| where a is not 0, `relative_l2` is ‖b−a‖/‖a‖, each over the finite elements; all
    are infinite where nothing can be compared, and 0 for text. `worst_index` is the element furthest beyond the
    tolerance (None when all elements agree), `expected` and `got` its values, else the two dtypes and shapes.
    """

    layer: str
    flaw: Flaw
    elements: int
    share: float
    max_abs: float
    max_rel: float
    relative_l2: float
    worst_index: tuple[int, ...] | None
    expected: str
    got: str

    @property
    def passed(self) -> bool:
        return not self.flaw


def compare_tensors(reference: Tensors, candidate: Tensors, limits: Limits) -> tuple[TensorComparison, ...]:
    """One finding a layer: those of the reference in their order, then layers that only the candidate has."""
    extra = [layer for layer in candidate if layer not in reference]
    found = [compare_tensor(layer, reference[layer], candidate.get(layer), limits) for layer in reference]
    return (*found, *(_nothing(layer, "extra layer", "nothing", _kind(candidate[layer])) for layer in extra))


def compare_tensor(layer: str, reference: Array, candidate: Array | None, limits: Limits) -> TensorComparison:
    """Floats by the limits' measure; integers, booleans and text exactly. Another dtype or shape, and a NaN or
    infinity that the reference does not have in that place, are mismatches whatever the tolerance."""
    if candidate is None:
        return _nothing(layer, "missing layer", _kind(reference), "nothing")
    if dtype_name(reference) != dtype_name(candidate):
        return _nothing(layer, "dtype", _kind(reference), _kind(candidate))
    if reference.shape != candidate.shape:
        return _nothing(layer, "shape", _kind(reference), _kind(candidate))
    if reference.dtype.kind == "f":
        return _floats(layer, reference, candidate, limits)
    return _exact(layer, reference, candidate)


def _floats(layer: str, reference: Array, candidate: Array, limits: Limits) -> TensorComparison:
    with np.errstate(all="ignore"):
        a, b = reference.astype(np.float64), candidate.astype(np.float64)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        odd = ~same & ~(np.isfinite(a) & np.isfinite(b))
        gap = np.where(same | odd, 0.0, np.abs(b - a))
        size = np.where(np.isfinite(a), np.abs(a), 0.0)
        room = limits.atol + limits.rtol * size
        within = (gap <= room) & ~odd
        beyond = np.where(odd, math.inf, gap - room)
        relative = np.divide(gap, size, out=np.zeros_like(gap), where=size > 0)
    distance = _relative_l2(gap, size)
    share = float(within.mean()) if a.size else 1.0
    agreed = _l2_agrees(gap, size, limits) if limits.measure == "relative-l2" else share >= _needed(a.size, limits)
    flaw: Flaw = "NaN or Inf" if odd.any() else ("" if agreed else "values")
    at = None if within.all() else _index(beyond)
    return TensorComparison(
        layer,
        flaw,
        a.size,
        share,
        max_abs=float(gap.max(initial=0.0)),
        max_rel=float(relative.max(initial=0.0)),
        relative_l2=distance,
        worst_index=at,
        expected=_shown(reference, at),
        got=_shown(candidate, at),
    )


def _needed(elements: int, limits: Limits) -> float:
    return limits.large_share if elements > limits.large_elements else 1.0


def _l2_agrees(gap: Array, size: Array, limits: Limits) -> bool:
    """‖gap‖ ≤ rtol·‖size‖ + atol·√n, without the overflow of squares."""
    unit = max(float(gap.max(initial=0.0)), float(size.max(initial=0.0))) or 1.0
    if not math.isfinite(unit):
        return False
    room = limits.rtol * float(np.linalg.norm(size / unit)) + limits.atol / unit * math.sqrt(gap.size)
    return float(np.linalg.norm(gap / unit)) <= room


def _relative_l2(gap: Array, size: Array) -> float:
    """‖gap‖/‖size‖; 0 when both are 0, infinite when only `size` is."""
    unit = max(float(gap.max(initial=0.0)), float(size.max(initial=0.0)))
    if unit == 0:
        return 0.0
    below = float(np.linalg.norm(size / unit)) if math.isfinite(unit) else 0.0
    return float(np.linalg.norm(gap / unit)) / below if below else math.inf


def _exact(layer: str, reference: Array, candidate: Array) -> TensorComparison:
    text = reference.dtype.kind in "OSU"
    a, b = (_as_text(reference), _as_text(candidate)) if text else (reference, candidate)
    differs = np.asarray(a != b, dtype=np.bool_).reshape(reference.shape)
    gap = np.zeros(a.shape) if text else np.abs(b.astype(np.float64) - a.astype(np.float64))
    size = np.zeros(a.shape) if text else np.abs(a.astype(np.float64))
    at = _index(differs) if differs.any() else None
    return TensorComparison(
        layer,
        "values" if differs.any() else "",
        a.size,
        share=1.0 - float(differs.mean()) if a.size else 1.0,
        max_abs=float(gap.max(initial=0.0)),
        max_rel=float(np.divide(gap, size, out=np.zeros_like(gap), where=size > 0).max(initial=0.0)),
        relative_l2=_relative_l2(gap, size),
        worst_index=at,
        expected=_shown(a, at),
        got=_shown(b, at),
    )


def _as_text(array: Array) -> Array:
    """Text as bytes: servers answer UTF-8 bytes, runtimes and files may give str."""
    flat = [value.encode() if isinstance(value, str) else value for value in array.ravel().tolist()]
    out = np.empty(len(flat), dtype=np.object_)
    out[:] = flat
    return out.reshape(array.shape)


def _index(score: Array) -> tuple[int, ...]:
    """Where the score is highest; the first such place."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(score)), score.shape))


def _nothing(layer: str, flaw: Flaw, expected: str, got: str) -> TensorComparison:
    return TensorComparison(layer, flaw, 0, 0.0, math.inf, math.inf, math.inf, None, expected, got)


def _kind(array: Array) -> str:
    return f"{dtype_name(array)}[{','.join(map(str, array.shape))}]"


def _shown(array: Array, at: tuple[int, ...] | None) -> str:
    if at is None:
        return _kind(array)
    value: Any = array[at]
    text = f"{float(value):.9g}" if array.dtype.kind == "f" else repr(value.item() if hasattr(value, "item") else value)
    return text if len(text) <= 80 else f"{text[:80]}…"
