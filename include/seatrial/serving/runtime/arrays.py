"""Arrays on their way between Triton's python backend and a runtime (pure)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def as_text(array: Array) -> Array:
    """A tensor of text as the runtimes take it: Triton hands bytes over, they want str. Others as they are.

    Raises UnicodeDecodeError for bytes that are not UTF-8.
    """
    if not array.dtype.hasobject:
        return array
    return np.array([item.decode() for item in array.ravel()], dtype=object).reshape(array.shape)


def as_answer(array: Array) -> Array:
    """A tensor as Triton's python backend can send it: C order, text as objects, a scalar as [1]."""
    return np.ascontiguousarray(array.astype(object) if array.dtype.kind in "US" else array)
