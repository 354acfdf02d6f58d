"""Plain Python values as arrays of a layer's dtype, where that loses nothing (pure).

Floats are rounded to a float layer, but never to infinity. A number or text alone is the one element of a layer with
one dimension: as such a model's scalar is shown.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from seatrial.errors import BadInput
from seatrial.tensors import Array, TensorSpec


def plain_array(
    spec: TensorSpec, value: ArrayLike, dtype: np.dtype[np.generic], rounded: Callable[[Array], Array] | None = None
) -> Array:
    """`value` as an array of `dtype`; text stays in an array of objects. Its shape is left to check_tensors.

    `rounded` is what becomes of the array on its way, and must lose nothing either. Raises BadInput naming the layer.
    """
    try:
        # Never through numpy's own text dtypes: those cut trailing NUL bytes off.
        natural = np.asarray(value, dtype=object if dtype.hasobject else None)
    except ValueError as error:
        raise BadInput(spec.name, expected=str(spec), got="rows of different lengths") from error
    if not natural.ndim and len(spec.shape) == 1:
        natural = natural.reshape(1)
    if dtype.hasobject:
        return _text(spec, natural)
    natural = native(natural)
    if natural.dtype.kind not in "biuf":
        raise BadInput(spec.name, expected=str(spec), got=f"values of type {natural.dtype}")
    unfit = BadInput(spec.name, expected=f"{spec}: values that it can hold", got=f"{natural.dtype} values it cannot")
    if natural.dtype.kind == "f" and dtype.kind in "iu":
        natural = np.asarray(value, dtype=object).reshape(natural.shape)  # numpy made floats of [0, 2**63 + 1]
    try:
        with np.errstate(all="ignore"):  # what does not fit is found by comparing, and said by BadInput
            converted: Array = natural.astype(dtype)
            kept = rounded(converted) if rounded else converted
    except (OverflowError, ValueError) as error:  # of objects: beyond the dtype, or not finite
        raise unfit from error
    if not _kept(natural, kept):
        raise unfit
    return converted


def native(value: ArrayLike) -> Array:
    """An array in this machine's byte order; an array of ml_dtypes' bfloat16 as the float32 that it stands for."""
    array = np.asarray(value)
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _text(spec: TensorSpec, natural: Array) -> Array:
    for value in natural.flat:
        if not isinstance(value, bytes | str):
            raise BadInput(spec.name, expected=str(spec), got=f"a value of type {type(value).__name__}")
    return natural


def _kept(natural: Array, converted: Array) -> bool:
    if natural.dtype.kind == "f" and converted.dtype.kind == "f":
        return np.array_equal(np.isfinite(natural), np.isfinite(converted))
    return bool(converted.tolist() == natural.tolist())  # Python compares int with float exactly; numpy rounds first
