"""Requests of one version as bytes (pure): the caller's layers checked against its signature, and joined to a head.

The head of each combination of shapes is made once, and its being there says that these shapes were checked.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from seatrial.client import messages
from seatrial.client.inputs import fit
from seatrial.client.wire import ARRAYS, contents
from seatrial.errors import Refused
from seatrial.tensors import Array, Signature, Tensors, TensorSpec, dtype_name

LARGEST = 2**31 - 2**20
"""Bytes of tensors in one request: gRPC's messages end at 2 GiB, and a head needs its place."""

_KEPT_HEADS = 512
_Shapes = tuple[tuple[int, ...], ...]


class Encoder:
    """Safe for many threads."""

    def __init__(self, model: str, version: int, signature: Signature) -> None:
        self._model, self._version, self._signature = model, version, signature
        self._plain = [
            (spec.name, ARRAYS[spec.dtype])
            for spec in signature.inputs
            if spec.dtype in ARRAYS and spec.dtype != "BYTES"
        ]
        self._all_plain = len(self._plain) == len(signature.inputs)
        self._dtypes = [spec.dtype for spec in signature.inputs]
        self._heads: dict[_Shapes, bytes] = {}

    def encode(self, layers: Mapping[str, ArrayLike]) -> bytes:
        """The request's message. Raises BadInput naming the layer that is wrong, and Refused above LARGEST."""
        arrays = self._as_they_are(layers)
        head = None if arrays is None else self._heads.get(tuple([array.shape for array in arrays]))
        if head is None or arrays is None:
            arrays = list(fit(self._signature, layers).values())
            head = self._new_head(tuple(array.shape for array in arrays))
        return _joined(head, arrays, self._dtypes)

    def _as_they_are(self, layers: Mapping[str, ArrayLike]) -> list[Array] | None:
        """The layers in the signature's order, if each is an array of its dtype; None leaves it to `fit`."""
        if not self._all_plain or len(layers) != len(self._plain):
            return None
        arrays: list[Array] = []
        for name, dtype in self._plain:
            array = layers.get(name)
            if type(array) is not np.ndarray or array.dtype != dtype:
                return None
            arrays.append(array)
        return arrays

    def _new_head(self, shapes: _Shapes) -> bytes:
        inputs = zip(self._signature.inputs, shapes, strict=True)
        layers = [TensorSpec(spec.name, spec.dtype, shape) for spec, shape in inputs]
        if len(self._heads) >= _KEPT_HEADS:
            self._heads.clear()
        head = self._heads[shapes] = messages.request_head(self._model, self._version, layers)
        return head


def encode_tensors(model: str, version: int, tensors: Tensors) -> bytes:
    """A request of tensors as they are, whatever the model's signature. Raises Refused for dtypes that the protocol
    lacks, and above LARGEST."""
    layers = [TensorSpec(name, dtype_name(array), array.shape) for name, array in tensors.items()]
    head = messages.request_head(model, version, layers)
    return _joined(head, list(tensors.values()), [layer.dtype for layer in layers])


def _joined(head: bytes, arrays: list[Array], dtypes: list[str]) -> bytes:
    parts, size = [], 0
    for array, dtype in zip(arrays, dtypes, strict=True):
        raw = contents(array, dtype)
        size += len(raw) if type(raw) is bytes else raw.nbytes
        parts.append(raw)
    if size > LARGEST:
        raise Refused(f"a request of {size} bytes passes {LARGEST}, the limit of a gRPC message", limit=LARGEST)
    return messages.request(head, parts)
