"""In which way an output varies from one answer to the next (pure): what a manifest can say of it, if anything."""

from __future__ import annotations

from seatrial.shadow.comparison import compare_tensors
from seatrial.shadow.limits import Limits
from seatrial.tensors import Tensors
from seatrial.uploads.comparison import Label, Output, Ranking, Values

WAYS: tuple[tuple[str, Output], ...] = (
    ("the same rows in another order (kind: values, order: any)", Values(order="any")),
    ("the same classes by other scores (kind: label)", Label(kind="label")),
    ("the same first ten in another order or by other scores (kind: ranking)", Ranking(kind="ranking", overlap=1.0)),
)


def how_it_varies(layer: str, first: Tensors, second: Tensors, limits: Limits) -> str:
    """The first of WAYS by which two different answers are the same; empty where none is: it varies by chance."""
    a, b = first.get(layer), second.get(layer)
    if a is None or b is None or a.shape != b.shape or a.ndim < 2:
        return ""
    for said, kind in WAYS:
        if isinstance(kind, Ranking) and a.shape[-1] <= kind.top:
            continue  # the first ten of ten are always the same
        as_kind = limits.model_copy(update={"outputs": {layer: kind}})
        (found,) = compare_tensors({layer: a}, {layer: b}, as_kind)
        if found.passed:
            return said
    return ""
