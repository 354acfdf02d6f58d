"""Tensors as the raw contents of an Open Inference Protocol message: little-endian, row-major, BYTES length-prefixed.

Source: "Tensor Data" and the `bytes_contents` rules of Triton's binary tensor data extension: each BYTES element is its
length as a little-endian uint32, then its bytes. BF16 has no numpy dtype: it is taken from float32 arrays, rounded to
the nearest (ties to even), and given back as float32, which loses nothing.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from seatrial.errors import Refused
from seatrial.tensors import DTYPES, Array

BF16 = "BF16"
ARRAYS: dict[str, np.dtype[Any]] = {**DTYPES, BF16: np.dtype(np.float32)}
"""The numpy dtype that stands for each dtype of the protocol."""

_LENGTH = struct.Struct("<I")
_SIZES = {name: 2 if name == BF16 else dtype.itemsize for name, dtype in ARRAYS.items()}
_PLAIN = {name: dtype.newbyteorder("<") for name, dtype in DTYPES.items()}
_LITTLE = sys.byteorder == "little"


class BadContents(ValueError):
    """Raw contents that do not hold what their dtype and shape say. The adapter turns it into an error of the tree."""


def to_raw(array: Array, dtype: str = "") -> bytes:
    """The raw contents of an array. Text in BYTES tensors is sent as UTF-8; other objects are refused."""
    if array.dtype.kind in "OSU":
        return b"".join(_element(value) for value in array.ravel(order="C"))
    if dtype == BF16:
        return (rounded(array).view(np.uint32) >> 16).astype("<u2", copy=False).tobytes(order="C")
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes(order="C")


def contents(array: Array, dtype: str) -> Any:
    """As `to_raw`, without copying where the array itself has the protocol's layout."""
    return array if as_it_is(dtype) and array.flags.c_contiguous else to_raw(array, dtype)


def as_it_is(dtype: str) -> bool:
    """Whether a contiguous array of this machine's numpy has the protocol's layout."""
    return _LITTLE and dtype not in ("BYTES", BF16) and dtype in ARRAYS


def from_raw(dtype: str, shape: tuple[int, ...], data: bytes, start: int = 0, end: int | None = None) -> Array:
    """The array that the raw contents `data[start:end]` stand for: a read-only view of `data`, or of a copy where they
    are not aligned in it (BYTES: an object array of bytes; BF16: a new float32 array).

    Raises BadContents for a dtype that the project does not know and for contents of another length.
    """
    end = len(data) if end is None else end
    if dtype not in ARRAYS:
        raise BadContents(f"dtype {dtype!r} is not known")
    count = math.prod(shape)
    if min(shape, default=1) < 0:
        raise BadContents(f"shape {list(shape)} has a negative dimension")
    if dtype == "BYTES":
        return _strings(data[start:end], count).reshape(shape)
    size = _SIZES[dtype]
    if end - start != count * size:
        raise BadContents(f"{end - start} bytes where {dtype}{list(shape)} has {count * size}")
    if start % size:
        data, start = data[start:end], 0
    if dtype == BF16:
        return _widened(np.frombuffer(data, "<u2", count, start)).reshape(shape)
    return np.frombuffer(data, _PLAIN[dtype], count, start).reshape(shape)


def viewed(dtype: str) -> np.dtype[Any] | None:
    """The numpy dtype as which aligned contents may be looked at; None where `from_raw` has to make an array."""
    return None if dtype in ("BYTES", BF16) else _PLAIN[dtype]


def rounded(array: Array) -> Array:
    """Float32 values rounded to the nearest that BF16 has, ties to even; a NaN stays one."""
    bits = np.array(array, np.float32, order="C", ndmin=1).view(np.uint32)
    even = ((bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))) >> 16) << 16
    return np.where(np.isnan(array), bits | np.uint32(0x00400000), even).astype(np.uint32).view(np.float32)


def _widened(upper: Array) -> Array:
    wide = (upper.astype(np.uint32) << 16).view(np.float32)
    wide.flags.writeable = False
    return wide


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
