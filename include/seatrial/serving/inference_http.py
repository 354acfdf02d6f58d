"""The Open Inference Protocol over HTTP with its binary extension: requests as bytes, answers as specs. Pure."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from seatrial.tensors import DTYPES, Array, Signature, Tensors, TensorSpec, dtype_name

LENGTH_HEADER = "Inference-Header-Content-Length"


def encode_request(tensors: Tensors) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an infer request that carries `tensors` raw and asks for raw outputs."""
    raw = {name: raw_bytes(array) for name, array in tensors.items()}
    inputs = [
        {
            "name": name,
            "datatype": dtype_name(array),
            "shape": list(array.shape),
            "parameters": {"binary_data_size": len(raw[name])},
        }
        for name, array in tensors.items()
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    return head + b"".join(raw.values()), {LENGTH_HEADER: str(len(head)), "Content-Type": "application/octet-stream"}


def answered_outputs(body: bytes, header_length: int) -> tuple[TensorSpec, ...]:
    """The outputs that an answer's header names. Raises ValueError or KeyError when it is no answer."""
    document: dict[str, Any] = json.loads(body[:header_length])
    return tuple(TensorSpec(o["name"], o["datatype"], tuple(o["shape"])) for o in document["outputs"])


def output_flaw(wanted: Signature, answered: tuple[TensorSpec, ...]) -> str | None:
    """Why an answer is not one of the signature: a missing layer, another dtype, another shape."""
    found = {spec.name: spec for spec in answered}
    for spec in wanted.outputs:
        got = found.get(spec.name)
        if got is None or got.dtype != spec.dtype or not _fits(spec.shape, got.shape):
            return f"output {spec.name!r}: expected {spec}, got {got or 'nothing'}"
    return None


def _fits(wanted: tuple[int, ...], got: tuple[int, ...]) -> bool:
    return len(wanted) == len(got) and all(w in (-1, g) for w, g in zip(wanted, got, strict=True))


def zeros(signature: Signature) -> dict[str, Array]:
    """Input tensors of zeros (empty strings for BYTES), with 1 for each free dimension."""
    return {spec.name: _zeros(spec) for spec in signature.inputs}


def raw_bytes(array: Array) -> bytes:
    """A tensor as it travels: little-endian in C order; each item of BYTES with its length in 4 bytes before it."""
    if dtype_name(array) != "BYTES":
        return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    items = [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel()]
    return b"".join(struct.pack("<I", len(item)) + item for item in items)


def _zeros(spec: TensorSpec) -> Array:
    shape = [1 if dimension < 0 else dimension for dimension in spec.shape]
    return np.full(shape, b"" if spec.dtype == "BYTES" else 0, DTYPES[spec.dtype])
