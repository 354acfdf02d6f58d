"""What comparing one output of two answers finds, whatever kind of output it is. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from seatrial.tensors import Array, dtype_name

Flaw = Literal[
    "",
    "missing layer",
    "extra layer",
    "dtype",
    "shape",
    "NaN or Inf",
    "values",
    "label",
    "ranking",
    "direction",
    "boxes",
    "text",
]


@dataclass(frozen=True)
class TensorComparison:
    """One layer of a candidate's answer beside the reference's.

    `flaw` is empty when it passed. `share` is the part of it that agrees: elements, rows, items, boxes or characters,
    by its kind. `max_abs` is the largest |b−a|, `max_rel` the largest |b−a|/|a| where a is not 0, `relative_l2` is
    ‖b−a‖/‖a‖, each over the finite elements; all are infinite where nothing can be compared, and 0 for what is not
    compared by them. `worst_index` is the element (row, box) furthest beyond the limit (None when all agree),
    `expected` and `got` what is there, else the two dtypes and shapes.
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

    @property
    def difference(self) -> float:
        """One number for how far apart they are: ‖b−a‖/‖a‖, or what does not agree of an output without numbers."""
        if self.flaw == "NaN or Inf":
            return math.inf
        return max(self.relative_l2, 0.0 if self.share == 1 or self.max_abs else 1.0 - self.share)


def judged(
    layer: str,
    reference: Array,
    flaw: Flaw,
    *,
    share: float,
    needed: float,
    worst: int,
    said: Callable[[int], tuple[str, str]],
) -> TensorComparison:
    """A layer of rows (vectors, texts) of which `share` agrees, where `needed` must; else with what is `said` of the
    worst row, by its number: what was expected, and what was got."""
    found = agreed(layer, reference, share)
    if share >= needed:
        return found
    rows = reference.shape if flaw == "text" else reference.shape[:-1]
    expected, got = said(worst)
    return differs(found, flaw, at=np.unravel_index(worst, rows), expected=expected, got=got)


def agreed(layer: str, reference: Array, share: float = 1.0) -> TensorComparison:
    """A layer that passed, and that is not compared by numbers."""
    kind = kind_of(reference)
    return TensorComparison(layer, "", reference.size, share, 0.0, 0.0, 0.0, None, kind, kind)


def differs(
    found: TensorComparison, flaw: Flaw, *, at: tuple[Any, ...] | None, expected: str, got: str
) -> TensorComparison:
    """The same with a flaw, and where it is worst."""
    where = None if at is None else tuple(map(int, at))
    return replace(found, flaw=flaw, worst_index=where, expected=short(expected), got=short(got))


def incomparable(layer: str, flaw: Flaw, expected: str, got: str) -> TensorComparison:
    return TensorComparison(layer, flaw, 0, 0.0, math.inf, math.inf, math.inf, None, expected, got)


def kind_of(array: Array) -> str:
    return f"{dtype_name(array)}[{','.join(map(str, array.shape))}]"


def short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"
