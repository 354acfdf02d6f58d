"""Are two sets of detections the same? Boxes come in any order and are matched by overlap. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seatrial.shadow.finding import TensorComparison, agreed, differs, incomparable, kind_of
from seatrial.shadow.tolerance import Room
from seatrial.tensors import Array, Tensors
from seatrial.uploads.comparison import Boxes

MOST = 1000  # the surest count: every box is compared with every other
SCORES = 0.01  # by which the scores of one box may differ, besides the tolerance of its numbers


@dataclass(frozen=True)
class Detections:
    """`corners`: [n, 4] as left, top, right, bottom; a score and a label each (0 where there is none)."""

    corners: Array
    scores: Array
    labels: Array


def compare_boxes(layer: str, reference: Tensors, candidate: Tensors, limits: Boxes, room: Room) -> TensorComparison:
    """`share`: 2·pairs / (boxes of both), where scores of a pair are within `room` and 0.01 of each other; 1 where
    neither has any. The number of boxes may differ, and their order."""
    parts = [part for part in (layer, limits.scores, limits.labels) if part is not None]
    for part in parts:
        if part not in reference or part not in candidate:
            return incomparable(
                part,
                "missing layer",
                *(kind_of(of[part]) if part in of else "nothing" for of in (reference, candidate)),
            )
    for answer in (reference, candidate):
        sizes = {part: answer[part].size / (4 if part == layer else 1) for part in parts}
        if len(set(sizes.values())) > 1 or sizes[layer] % 1:
            said = ", ".join(f"{part} {kind_of(answer[part])}" for part in parts)
            return incomparable(layer, "shape", "four numbers a box, one score and label each", said)
    a, b = detections(layer, reference, limits), detections(layer, candidate, limits)
    odd = [not all(_finite(answer[part]) for part in parts) for answer in (reference, candidate)]
    if odd == [False, True] or not _finite(b.corners):
        return differs(
            agreed(layer, reference[layer], 0.0), "NaN or Inf", at=None, expected="numbers", got="NaN or Inf"
        )
    pairs = [
        (one, other)
        for one, other in matched(a, b, limits.iou)
        if abs(b.scores[other] - a.scores[one]) <= SCORES + room.of(a.scores[one])
    ]
    both = len(a.corners) + len(b.corners)
    share = 2 * len(pairs) / both if both else 1.0
    found = agreed(layer, reference[layer], share)
    if share >= limits.found:
        return found
    return differs(
        found, "boxes", at=None, expected=_said(a, {one for one, _ in pairs}), got=_said(b, {of for _, of in pairs})
    )


def _finite(array: Array) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _said(boxes: Detections, paired: set[int]) -> str:
    """How many there are, and the surest without a counterpart."""
    alone = next((number for number in range(len(boxes.corners)) if number not in paired), None)
    if alone is None:
        return f"{len(boxes.corners)} boxes, all matched"
    corners = ", ".join(f"{corner:.4g}" for corner in boxes.corners[alone])
    return f"{len(boxes.corners)} boxes; unmatched [{corners}] score {boxes.scores[alone]:.3g}"


def detections(layer: str, answer: Tensors, limits: Boxes) -> Detections:
    """What an answer detects, without what is below `least_score`; the highest scores first, MOST of them."""
    boxes = answer[layer].reshape(-1, 4).astype(np.float64)
    scores = answer[limits.scores].reshape(-1).astype(np.float64) if limits.scores else np.ones(len(boxes))
    labels = answer[limits.labels].reshape(-1) if limits.labels else np.zeros(len(boxes), np.int64)
    kept = np.flatnonzero(scores >= limits.least_score)
    order = kept[np.argsort(-scores[kept], kind="stable")][:MOST]
    return Detections(_corners(boxes[order], limits), scores[order], labels[order])


def matched(a: Detections, b: Detections, iou: float) -> list[tuple[int, int]]:
    """Pairs of one box of each, of one label, that overlap by `iou` or more: each box of `a`, the surest first, takes
    the free one of `b` that overlaps it most, as the evaluation of COCO does."""
    overlaps = ious(a.corners, b.corners)
    overlaps[a.labels[:, None] != b.labels[None, :]] = 0.0
    pairs = []
    for one in range(len(a.corners)):
        other = int(np.argmax(overlaps[one])) if overlaps.shape[1] else 0
        if overlaps.shape[1] and overlaps[one, other] >= iou:
            pairs.append((one, other))
            overlaps[:, other] = 0.0
    return pairs


def ious(a: Array, b: Array) -> Array:
    """Intersection over union of each box of `a` ([n, 4]) with each of `b` ([m, 4]): [n, m]; two empty ones: 0."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0.0, None).prod(axis=2)
    either = _areas(a)[:, None] + _areas(b)[None, :] - both
    found: Array = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    return found


def _areas(corners: Array) -> Array:
    areas: Array = np.clip(corners[:, 2:] - corners[:, :2], 0.0, None).prod(axis=1)
    return areas


def _corners(boxes: Array, limits: Boxes) -> Array:
    if limits.corners == "xyxy":
        return boxes
    at, size = boxes[:, :2], boxes[:, 2:]
    low = at - size / 2 if limits.corners == "cxcywh" else at
    return np.hstack([low, low + size])
