"""How alike are two vectors, two texts? Pure."""

from __future__ import annotations

from typing import Any

import numpy as np

from seatrial.shadow.finding import TensorComparison, judged
from seatrial.shadow.values import as_text
from seatrial.tensors import Array
from seatrial.uploads.comparison import Embedding, Text

LONGEST = 100_000  # bytes; longer texts are the same or not, since counting edits takes the square of it


def compare_directions(layer: str, reference: Array, candidate: Array, limits: Embedding) -> TensorComparison:
    """By the least cosine of the angle between two vectors in the same place; two zero vectors are the same."""
    a, b = (array.reshape(-1, array.shape[-1]).astype(np.float64) for array in (reference, candidate))
    cosines = _cosines(a, b)
    return judged(
        layer,
        reference,
        "direction",
        share=max(0.0, float(cosines.min())),
        needed=limits.cosine,
        worst=int(np.argmin(cosines)),
        said=lambda at: (f"cosine of {limits.cosine:g}", f"{cosines[at]:.6f}"),
    )


def _cosines(a: Array, b: Array) -> Array:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    same = (a == b).all(axis=1)
    cosines: Array = np.divide((a * b).sum(axis=1), lengths, out=np.zeros(len(a)), where=lengths > 0)
    return np.where(same, 1.0, cosines)


def compare_texts(layer: str, reference: Array, candidate: Array, limits: Text) -> TensorComparison:
    """By the edits (insert, delete, replace a character) that make one text the other, as a share of the longer."""
    a, b = as_text(reference).ravel(), as_text(candidate).ravel()
    alike = np.array([_alike(one, other) for one, other in zip(a, b, strict=True)])
    return judged(
        layer,
        reference,
        "text",
        share=float(alike.min()),
        needed=1.0 - limits.edits,
        worst=int(np.argmin(alike)),
        said=lambda at: (repr(_readable(a[at])), repr(_readable(b[at]))),
    )


def _alike(a: Any, b: Any) -> float:
    if a == b or max(len(a), len(b)) > LONGEST:
        return float(a == b)
    from rapidfuzz.distance import Levenshtein  # paid for by whoever compares texts

    return float(Levenshtein.normalized_similarity(_readable(a), _readable(b)))


def _readable(text: Any) -> str:
    return bytes(text).decode(errors="replace")
