"""What a caller gave for a layer, as an array of that layer's dtype (pure).

Arrays stay as they are: their dtype is a statement, and check_tensors compares it. Plain Python values have none and
become the layer's dtype where that loses nothing (plain_values.py).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from seatrial.client.wire import ARRAYS, BF16, rounded
from seatrial.errors import BadInput, Refused
from seatrial.plain_values import native, plain_array
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
        name: native(value) if isinstance(value, np.ndarray) or name not in wanted else _fit(wanted[name], value)
        for name, value in layers.items()
    }


def _as_given(spec: TensorSpec) -> TensorSpec:
    """BF16 is given as float32 (see wire)."""
    return TensorSpec(spec.name, "FP32", spec.shape) if spec.dtype == BF16 else spec


def _fit(spec: TensorSpec, value: ArrayLike) -> Array:
    if spec.dtype not in ARRAYS:
        raise BadInput(spec.name, expected=f"a dtype that this client knows: {', '.join(ARRAYS)}", got=spec.dtype)
    return plain_array(spec, value, ARRAYS[spec.dtype], rounded if spec.dtype == BF16 else None)
