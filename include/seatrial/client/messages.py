"""ModelInfer's request and answer as bytes (pure): protobuf's wire format, written and read without copying tensors.

A message is a head (names, dtypes, shapes) and the tensors' raw contents. Heads repeat from call to call and are made
and read once; contents are joined to them, or viewed in them. Through protobuf's objects each tensor is copied twice on
either way. Source: the Open Inference Protocol's grpc_service.proto, and protobuf's encoding guide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from seatrial.client.wire import BadContents, from_raw
from seatrial.tensors import Array, TensorSpec

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_REQUEST_INPUTS, _REQUEST_RAW = 5, 7
_ANSWER_OUTPUTS, _ANSWER_RAW = 5, 6
_KEPT_HEADS = 512

Span = tuple[int, int]


@dataclass(frozen=True)
class Head:
    """What a message says beside the contents."""

    model: str
    version: str
    layers: tuple[TensorSpec, ...]


def request_head(model: str, version: int, layers: Iterable[TensorSpec]) -> bytes:
    """All of a ModelInferRequest but its raw contents; each layer with the shape of this request."""
    inputs = (_field(_REQUEST_INPUTS, _layer(layer)) for layer in layers)
    return b"".join((_field(1, model.encode()), _field(2, str(version).encode()), *inputs))


def request(head: bytes, contents: Iterable[Any]) -> bytes:
    """The whole message: `contents` in the head's order, each bytes or a contiguous array of the protocol's layout."""
    parts: list[Any] = [head]
    for raw in contents:
        parts += (_raw_prefix(len(raw) if type(raw) is bytes else raw.nbytes), raw)
    return b"".join(parts)


def ready_request(model: str, version: int) -> bytes:
    """A ModelReadyRequest."""
    return _field(1, model.encode()) + _field(2, str(version).encode())


def is_ready(answer: bytes) -> bool:
    """What a ModelReadyResponse says; an empty message is proto3's way to say false."""
    return answer == b"\x08\x01"


def read_request(message: bytes) -> tuple[Head, dict[str, Array]]:
    """As `read_answer`, of a request."""
    return _read(message, _REQUEST_RAW)


def read_answer(message: bytes) -> tuple[Head, dict[str, Array]]:
    """The head and the tensors by name, as read-only views of `message` where their place in it allows that.

    Raises BadContents for anything that is not a whole ModelInferResponse with raw contents for each output.
    """
    return _read(message, _ANSWER_RAW)


_heads: dict[int, bytes] = {}
"""The last head of a message of each length: almost always the next one's too."""


def _read(message: bytes, raw: int) -> tuple[Head, dict[str, Array]]:
    head_bytes = _heads.get(len(message))
    spans = _spans(message, head_bytes, raw) if head_bytes and message.startswith(head_bytes) else None
    if spans is None or head_bytes is None:
        head_bytes, spans = _split(message, raw)
        _remember(len(message), head_bytes)
    head = _head(head_bytes)
    if len(spans) != len(head.layers):
        raise BadContents(f"{len(head.layers)} tensors and {len(spans)} raw contents")
    return head, {
        layer.name: from_raw(layer.dtype, layer.shape, message, *span)
        for layer, span in zip(head.layers, spans, strict=True)
    }


def _spans(message: bytes, head: bytes, raw: int) -> list[Span] | None:
    """Where the raw contents are in a message that begins with this head; None if more than they come after it."""
    spans, at, end, tag = [], len(head), len(message), raw << 3 | _BYTES
    while at < end:
        if message[at] != tag:
            return None
        length, at = _varint_at(message, at + 1, end)
        if at + length > end:
            return None
        spans.append((at, at + length))
        at += length
    return spans


def _remember(length: int, head: bytes) -> None:
    if len(_heads) >= _KEPT_HEADS:
        _heads.clear()
    _heads[length] = head


def _split(message: bytes, raw: int) -> tuple[bytes, list[Span]]:
    """The message without its raw contents, and where those are."""
    spans: list[Span] = []
    kept: list[Span] = []
    at = 0
    for number, kind, start, end in _fields(message, 0, len(message)):
        if number == raw and kind == _BYTES:
            spans.append((start, end))
        elif kept and kept[-1][1] == at:
            kept[-1] = (kept[-1][0], end)
        else:
            kept.append((at, end))
        at = end
    return b"".join(message[start:end] for start, end in kept), spans


@lru_cache(_KEPT_HEADS)
def _head(data: bytes) -> Head:
    model, version, layers = "", "", []
    for number, kind, start, end in _fields(data, 0, len(data)):
        if kind != _BYTES:
            continue
        if number == 1:
            model = _text(data[start:end])
        elif number == 2:
            version = _text(data[start:end])
        elif number == _ANSWER_OUTPUTS:  # a request's inputs have the same number
            layers.append(_read_layer(data, start, end))
    if len({layer.name for layer in layers}) != len(layers):
        raise BadContents("a layer that is there twice")
    return Head(model, version, tuple(layers))


def _read_layer(data: bytes, start: int, end: int) -> TensorSpec:
    name, dtype, shape = "", "", []
    for number, kind, begin, until in _fields(data, start, end):
        if number == 1 and kind == _BYTES:
            name = _text(data[begin:until])
        elif number == 2 and kind == _BYTES:
            dtype = _text(data[begin:until])
        elif number == 3 and kind == _BYTES:
            while begin < until:
                dimension, begin = _varint_at(data, begin, until)
                shape.append(_signed(dimension))
        elif number == 3 and kind == _VARINT:
            shape.append(_signed(_varint_at(data, begin, until)[0]))
    return TensorSpec(name, dtype, tuple(shape))


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, start and end of each field's value."""
    while at < end:
        tag, at = _varint_at(data, at, end)
        kind = tag & 7
        if kind == _BYTES:
            length, at = _varint_at(data, at, end)
            after = at + length
        elif kind == _VARINT:
            after = _varint_at(data, at, end)[1]
        elif kind in (_FIXED64, _FIXED32):
            after = at + (8 if kind == _FIXED64 else 4)
        else:
            raise BadContents(f"a field of wire type {kind}")
        if after > end or tag >> 3 == 0:
            raise BadContents("a message that is cut off")
        yield tag >> 3, kind, at, after
        at = after


def _varint_at(data: bytes, at: int, end: int) -> tuple[int, int]:
    if at < end and data[at] < 0x80:
        return data[at], at + 1
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise BadContents("a number that is cut off")


def _signed(value: int) -> int:
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadContents("a name that is no text") from error


def _layer(layer: TensorSpec) -> bytes:
    shape = b"".join(_varint(dimension) for dimension in layer.shape)
    return _field(1, layer.name.encode()) + _field(2, layer.dtype.encode()) + _field(3, shape)


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value if value else b""


@lru_cache(_KEPT_HEADS)
def _raw_prefix(length: int) -> bytes:
    return _varint(_REQUEST_RAW << 3 | _BYTES) + _varint(length)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
