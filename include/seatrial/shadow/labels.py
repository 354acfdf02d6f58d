"""Do two answers choose the same classes, the same items? Pure. Scores are in the last dimension."""

from __future__ import annotations

import numpy as np

from seatrial.shadow.finding import TensorComparison, judged
from seatrial.shadow.tolerance import Room
from seatrial.tensors import Array
from seatrial.uploads.comparison import Label, Ranking


def compare_labels(layer: str, reference: Array, candidate: Array, limits: Label, room: Room) -> TensorComparison:
    """The candidate's class agrees where the reference's own score of it is within `room` of its highest."""
    a, b = _rows(reference), _rows(candidate)
    best, chosen, row = a.argmax(axis=1), b.argmax(axis=1), np.arange(len(a))
    behind = a[row, best] - a[row, chosen]
    return judged(
        layer,
        reference,
        "label",
        share=float(np.mean(behind <= room.of(a[row, best]))),
        needed=limits.rows,
        worst=int(np.argmax(behind)),
        said=lambda at: (_class(a, at, best[at]), _class(b, at, chosen[at])),
    )


def compare_rankings(layer: str, reference: Array, candidate: Array, limits: Ranking, room: Room) -> TensorComparison:
    """Of the candidate's first items those agree that the reference has among its first too, or within `room` of the
    last of them. The order among them does not count."""
    a, b = _rows(reference), _rows(candidate)
    top = min(limits.top, a.shape[1])
    overlaps = np.array([_overlap(one, other, top, room) for one, other in zip(a, b, strict=True)])
    return judged(
        layer,
        reference,
        "ranking",
        share=float(overlaps.min()),
        needed=limits.overlap,
        worst=int(np.argmin(overlaps)),
        said=lambda at: (f"first {top}: {_first(a[at], top)}", f"{overlaps[at]:.0%} of them: {_first(b[at], top)}"),
    )


def _overlap(a: Array, b: Array, top: int, room: Room) -> float:
    if a.dtype.kind in "iu":
        return len(set(a[:top].tolist()) & set(b[:top].tolist())) / top
    last = np.partition(a, -top)[-top]
    return float(np.mean(a[np.argsort(-b, kind="stable")[:top]] >= last - room.of(last)))


def _class(scores: Array, row: int, chosen: int) -> str:
    return f"class {chosen} ({scores[row, chosen]:.6g})"


def _first(row: Array, top: int) -> str:
    items = row[:top] if row.dtype.kind in "iu" else np.argsort(-row, kind="stable")[:top]
    return ", ".join(map(str, items[:5].tolist())) + (", …" if top > 5 else "")


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])
