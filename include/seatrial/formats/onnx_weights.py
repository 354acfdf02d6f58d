"""The weights of an ONNX model, each with a digest of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from seatrial.formats.onnx_external import external_place, tensors_of
from seatrial.formats.weights import Weight

# TensorProto.DataType
FORMATS = {
    **{1: "FP32", 10: "FP16", 11: "FP64", 16: "BF16", 2: "UINT8", 3: "INT8", 21: "UINT4", 22: "INT4", 23: "FP4"},
    **dict.fromkeys((17, 18, 19, 20), "FP8"),
}


def onnx_weights(model: Any, model_file: str) -> Iterator[Weight]:
    """Those of a valid model: of the graph, of graphs inside it, and constants."""
    home = PurePosixPath(model_file).parent
    for tensor in tensors_of(model):
        kind = FORMATS.get(tensor.data_type)
        if kind is None:
            continue
        shape, place = tuple(tensor.dims), external_place(tensor)
        if place is not None:
            yield Weight(kind, shape, file=str(home / place[0]), offset=place[1])
        else:
            yield Weight(kind, shape, digest=hashlib.blake2b(_content(tensor), digest_size=16).hexdigest())


def _content(tensor: Any) -> bytes:
    """The same bytes for the same numbers, whichever field of the message they are in."""
    if tensor.HasField("raw_data"):
        return bytes(tensor.raw_data)
    from onnx import numpy_helper

    return bytes(numpy_helper.to_array(tensor).tobytes())
