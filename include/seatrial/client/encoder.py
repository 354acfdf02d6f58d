"""Requests of one version as bytes (pure): the caller's layers checked against its signature, and joined to a frame.

What is the same in all requests of one combination of shapes is made once, and its being there says that these shapes
were checked.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from seatrial.client import messages
from seatrial.client.inputs import fit
from seatrial.client.wire import ARRAYS, as_it_is, contents
from seatrial.errors import Refused
from seatrial.tensors import Array, Signature, Tensors, TensorSpec, dtype_name

LARGEST = 2**31 - 2**20
"""Bytes of tensors in one request: gRPC's messages end at 2 GiB, and a frame needs its place."""

_KEPT_FRAMES = 512
_Shapes = tuple[tuple[int, ...], ...]


class Encoder:
    """Safe for many threads."""

    def __init__(self, model: str, version: int, signature: Signature) -> None:
        self._model, self._version, self._signature = model, version, signature
        plain = all(as_it_is(spec.dtype) for spec in signature.inputs)
        self._plain = [(spec.name, ARRAYS[spec.dtype]) for spec in signature.inputs] if plain else []
        self._frames: dict[_Shapes, messages.Frame] = {}

    def encode(self, layers: Mapping[str, ArrayLike]) -> bytes:
        """The request's message. Raises BadInput naming the layer that is wrong, and Refused above LARGEST."""
        if len(layers) != len(self._plain):
            return self._fitted(layers)
        arrays, shapes = [], []
        for name, dtype in self._plain:
            array = layers.get(name)
            if type(array) is not np.ndarray or array.dtype != dtype or not array.flags.c_contiguous:
                return self._fitted(layers)
            arrays.append(array)
            shapes.append(array.shape)
        frame = self._frames.get(tuple(shapes))
        return self._fitted(layers) if frame is None else messages.request(frame, arrays)

    def _fitted(self, layers: Mapping[str, ArrayLike]) -> bytes:
        """Of layers that have to be checked, or changed to what is sent."""
        arrays = list(fit(self._signature, layers).values())
        shapes = tuple(array.shape for array in arrays)
        inputs = zip(self._signature.inputs, shapes, strict=True)
        layers_sent = [TensorSpec(spec.name, spec.dtype, shape) for spec, shape in inputs]
        frame, message = _framed(self._model, self._version, layers_sent, arrays)
        if self._plain:
            if len(self._frames) >= _KEPT_FRAMES:
                self._frames.clear()
            self._frames[shapes] = frame
        return message


def encode_tensors(model: str, version: int, tensors: Tensors) -> bytes:
    """A request of tensors as they are, whatever the model's signature. Raises Refused for dtypes that the protocol
    lacks, and above LARGEST."""
    layers = [TensorSpec(name, dtype_name(array), array.shape) for name, array in tensors.items()]
    return _framed(model, version, layers, list(tensors.values()))[1]


def _framed(model: str, version: int, layers: list[TensorSpec], arrays: list[Array]) -> tuple[messages.Frame, bytes]:
    """What is the same in all requests of these shapes, and this one."""
    parts = [contents(array, layer.dtype) for array, layer in zip(arrays, layers, strict=True)]
    sizes = [len(raw) if type(raw) is bytes else raw.nbytes for raw in parts]
    if sum(sizes) > LARGEST:
        raise Refused(f"a request of {sum(sizes)} bytes passes {LARGEST}, the limit of a gRPC message", limit=LARGEST)
    frame = messages.request_frame(model, version, layers, sizes)
    return frame, messages.request(frame, parts)
