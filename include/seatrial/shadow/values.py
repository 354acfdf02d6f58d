"""Are the numbers of two outputs the same, one by one? Pure. Source: methods, shadow verdict."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seatrial.shadow.finding import Flaw, TensorComparison, kind_of, short
from seatrial.shadow.limits import Limits
from seatrial.tensors import Array


def compare_floats(layer: str, reference: Array, candidate: Array, limits: Limits) -> TensorComparison:
    """Within the tolerance, all elements or, of a large tensor, the share that the limits say."""
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
    within_limits = (
        _l2_agrees(gap, size, limits) if limits.measure == "relative-l2" else share >= _needed(a.size, limits)
    )
    flaw: Flaw = "NaN or Inf" if odd.any() else ("" if within_limits else "values")
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


def compare_exactly(layer: str, reference: Array, candidate: Array) -> TensorComparison:
    """Integers, booleans and text."""
    text = reference.dtype.kind in "OSU"
    a, b = (as_text(reference), as_text(candidate)) if text else (reference, candidate)
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


def as_text(array: Array) -> Array:
    """Text as bytes: servers answer UTF-8 bytes, runtimes and files may give str."""
    flat = [value.encode() if isinstance(value, str) else value for value in array.ravel().tolist()]
    out = np.empty(len(flat), dtype=np.object_)
    out[:] = flat
    return out.reshape(array.shape)


def _index(score: Array) -> tuple[int, ...]:
    """Where the score is highest; the first such place."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(score)), score.shape))


def _shown(array: Array, at: tuple[int, ...] | None) -> str:
    if at is None:
        return kind_of(array)
    value: Any = array[at]
    return short(
        f"{float(value):.9g}" if array.dtype.kind == "f" else repr(value.item() if hasattr(value, "item") else value)
    )


def not_finite(reference: Array, candidate: Array) -> tuple[int, ...] | None:
    """The first place where the candidate is no finite number, and not what the reference is there."""
    odd = ~np.isfinite(candidate) & (candidate != reference) & ~(np.isnan(candidate) & np.isnan(reference))
    return _index(odd) if odd.any() else None


def in_one_order(array: Array) -> Array:
    """The rows, those of the first dimension, in ascending order: of the first value, then the second, and so on."""
    rows = array.reshape(len(array), -1) if array.ndim else array
    return array[np.lexsort(rows.T[::-1])] if rows.size else array
