"""What a caller gave for a layer, as an array of that layer's dtype (pure).

Arrays stay as they are: their dtype is a statement, and check_tensors compares it. Plain Python values have none and
become the layer's dtype where that loses nothing; Python floats are rounded to a float layer, but never to infinity. A
number or text alone is the one element of a layer with one dimension: as such a model's scalar is shown.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from seatrial.client.wire import ARRAYS, BF16, rounded
from seatrial.errors import BadInput, Refused
from seatrial.tensors import Array, Signature, TensorSpec, check_tensors


def joined(layers: Mapping[str, ArrayLike], named: Mapping[str, ArrayLike]) -> Mapping[str, ArrayLike]:
    """A call's layers, given as a dict and by keywords. Raises Refused for an array that was given without a name."""
    if not isinstance(layers, Mapping):
        raise Refused(
            f"layers go in by name, as keywords (audio=array) or as a dict ({{'audio': array}}); "
            f"got {type(layers).__name__} without a name",
            field="layers",
        )
    return {**layers, **named}


def fit(signature: Signature, layers: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """Exactly the signature's inputs, in its order. Raises BadInput naming the layer that is wrong."""
    arrays = as_arrays(signature, layers)
    specs = [_as_given(spec) for spec in signature.inputs]
    check_tensors(specs, arrays)
    return {spec.name: arrays[spec.name] for spec in specs}


def as_arrays(signature: Signature, layers: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """The layers as arrays; shapes and unknown names are left to check_tensors. Raises BadInput for unfit values."""
    wanted = {spec.name: spec for spec in signature.inputs}
    return {
        name: _native(value) if isinstance(value, np.ndarray) or name not in wanted else _fit(wanted[name], value)
        for name, value in layers.items()
    }


def _as_given(spec: TensorSpec) -> TensorSpec:
    """BF16 is given as float32 (see wire)."""
    return TensorSpec(spec.name, "FP32", spec.shape) if spec.dtype == BF16 else spec


def _native(value: ArrayLike) -> Array:
    """An array in this machine's byte order; an array of ml_dtypes' bfloat16 as the float32 that it stands for."""
    array = np.asarray(value)
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _fit(spec: TensorSpec, value: ArrayLike) -> Array:
    if spec.dtype not in ARRAYS:
        raise BadInput(spec.name, expected=f"a dtype that this client knows: {', '.join(ARRAYS)}", got=spec.dtype)
    dtype = ARRAYS[spec.dtype]
    try:
        # Never through numpy's own text dtypes: those cut trailing NUL bytes off.
        natural = np.asarray(value, dtype=object if dtype.hasobject else None)
    except ValueError as error:
        raise BadInput(spec.name, expected=str(spec), got="rows of different lengths") from error
    if not natural.ndim and len(spec.shape) == 1:
        natural = natural.reshape(1)
    if dtype.hasobject:
        return _text(spec, natural)
    natural = _native(natural)
    if natural.dtype.kind not in "biuf":
        raise BadInput(spec.name, expected=str(spec), got=f"values of type {natural.dtype}")
    with np.errstate(all="ignore"):  # what does not fit is found by comparing, and said by BadInput
        converted = natural.astype(dtype)
        kept = rounded(converted) if spec.dtype == BF16 else converted
    if not _kept(natural, kept):
        raise BadInput(spec.name, expected=f"{spec}: values that it can hold", got=f"{natural.dtype} values it cannot")
    return converted


def _text(spec: TensorSpec, natural: Array) -> Array:
    for value in natural.flat:
        if not isinstance(value, bytes | str):
            raise BadInput(spec.name, expected=str(spec), got=f"a value of type {type(value).__name__}")
    return natural


def _kept(natural: Array, converted: Array) -> bool:
    if natural.dtype.kind == "f" and converted.dtype.kind == "f":
        return np.array_equal(np.isfinite(natural), np.isfinite(converted))
    return bool(converted.tolist() == natural.tolist())  # Python compares int with float exactly; numpy rounds first
