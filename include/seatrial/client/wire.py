"""Tensors as the raw contents of an Open Inference Protocol message: little-endian, row-major, BYTES length-prefixed.

Source: "Tensor Data" and the `bytes_contents` rules of Triton's binary tensor data extension: each BYTES element is its
length as a little-endian uint32, then its bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from seatrial.errors import Refused
from seatrial.tensors import DTYPES, Array

_LENGTH = struct.Struct("<I")


class BadContents(ValueError):
    """Raw contents that do not hold what their dtype and shape say. The adapter turns it into an error of the tree."""


def to_raw(array: Array) -> bytes:
    """The raw contents of an array. Text in BYTES tensors is sent as UTF-8; other objects are refused."""
    if array.dtype.kind in "OSU":
        return b"".join(_element(value) for value in array.ravel(order="C"))
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes(order="C")


def from_raw(dtype: str, shape: tuple[int, ...], data: bytes) -> Array:
    """The array that raw contents stand for: a read-only view of `data` (BYTES: an object array of bytes).

    Raises BadContents for a dtype that the project does not know and for contents of another length.
    """
    if dtype not in DTYPES:
        raise BadContents(f"dtype {dtype!r} is not known")
    count = math.prod(shape)
    if min(shape, default=1) < 0:
        raise BadContents(f"shape {list(shape)} has a negative dimension")
    if dtype == "BYTES":
        return _strings(data, count).reshape(shape)
    plain = DTYPES[dtype].newbyteorder("<")
    if len(data) != count * plain.itemsize:
        raise BadContents(f"{len(data)} bytes where {dtype}{list(shape)} has {count * plain.itemsize}")
    return np.frombuffer(data, dtype=plain).reshape(shape)


def _element(value: Any) -> bytes:
    if isinstance(value, str):
        value = value.encode()
    if not isinstance(value, bytes):
        raise Refused(f"a BYTES tensor holds bytes or text, not {type(value).__name__}", value=repr(value)[:120])
    return _LENGTH.pack(len(value)) + value


def _strings(data: bytes, count: int) -> Array:
    found = list(_elements(data))
    if len(found) != count:
        raise BadContents(f"{len(found)} BYTES elements where the shape has {count}")
    array = np.empty(count, dtype=np.object_)
    array[:] = found
    return array


def _elements(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        if at + _LENGTH.size > len(data):
            raise BadContents("a BYTES element's length is cut off")
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if at + length > len(data):
            raise BadContents(f"a BYTES element of {length} bytes is cut off")
        yield data[at : at + length]
        at += length
