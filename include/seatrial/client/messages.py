"""ModelInfer's request and answer as bytes (pure), written and read without copying tensors.

A message is a head (names, dtypes, shapes) and the tensors' raw contents. Heads repeat from call to call and are made
and read once; contents are joined to them, or viewed in them. Through protobuf's objects each tensor is copied twice on
either way. Source: the Open Inference Protocol's grpc_service.proto.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from seatrial.client.fields import BYTES, VARINT, field, fields, signed, tag, text, varint, varint_at
from seatrial.client.wire import BadContents, from_raw, viewed
from seatrial.tensors import Array, TensorSpec

_REQUEST_INPUTS, _REQUEST_RAW = 5, 7
_ANSWER_OUTPUTS, _ANSWER_RAW = 5, 6
_KEPT = 512

Span = tuple[int, int]


@dataclass(frozen=True)
class Head:
    """What a message says beside the contents."""

    model: str
    version: str
    layers: tuple[TensorSpec, ...]


Frame = tuple[bytes, ...]
"""A request without its contents: names, dtypes and shapes, then for each of the contents its place, which is empty,
and what stands before the next."""


def request_frame(model: str, version: int, layers: Iterable[TensorSpec], sizes: Iterable[int]) -> Frame:
    """Of a ModelInferRequest; each layer with the shape of this request, `sizes` in bytes."""
    inputs = (field(_REQUEST_INPUTS, _layer(layer)) for layer in layers)
    frame = [b"".join((field(1, model.encode()), field(2, str(version).encode()), *inputs))]
    for size in sizes:
        frame[-1] += tag(_REQUEST_RAW) + varint(size)
        frame += (b"", b"")
    return tuple(frame)


def request(frame: Frame, contents: Sequence[Any]) -> bytes:
    """The whole message: `contents` in the frame's order, each bytes or a contiguous array of the protocol's layout."""
    parts: list[Any] = list(frame)
    parts[1::2] = contents
    return b"".join(parts)


def ready_request(model: str, version: int) -> bytes:
    """A ModelReadyRequest."""
    return field(1, model.encode()) + field(2, str(version).encode())


def is_ready(answer: bytes) -> bool:
    """What a ModelReadyResponse says; an empty message is proto3's way to say false."""
    return answer == b"\x08\x01"


class _Place(NamedTuple):
    """Where a tensor is in a message: `before` begins at `at`, the contents at `start`. `view`: the dtype to look at
    them as; None where `from_raw` has to make an array."""

    at: int
    before: bytes
    start: int
    end: int
    layer: TensorSpec
    view: np.dtype[Any] | None


class _Form(NamedTuple):
    """A head, and where its tensors are: messages of one length that differ in nothing but their contents."""

    head: Head
    places: tuple[_Place, ...]


class Reader:
    """Of messages whose raw contents have the field number `raw`. Remembers the last form of each length: almost always
    the next message's too. Safe for many threads."""

    def __init__(self, raw: int) -> None:
        self._raw = raw
        self._forms: dict[int, _Form] = {}

    def read(self, message: bytes) -> tuple[Head, dict[str, Array]]:
        """The head and the tensors by name, as read-only views of `message` where their place in it allows that.

        Raises BadContents for anything that is not a whole message with raw contents for each tensor.
        """
        form = self._forms.get(len(message))
        if form is None:
            return self._learned(message)
        found: dict[str, Array] = {}
        for at, before, start, end, layer, view in form.places:
            if not message.startswith(before, at):
                return self._learned(message)
            if view is None:
                found[layer.name] = from_raw(layer.dtype, layer.shape, message, start, end)
            elif start % view.itemsize:
                found[layer.name] = np.ndarray(layer.shape, view, message[start:end])
            else:
                found[layer.name] = np.ndarray(layer.shape, view, message, start)
        return form.head, found

    def _learned(self, message: bytes) -> tuple[Head, dict[str, Array]]:
        head_bytes, spans = _split(message, self._raw)
        head = _head(head_bytes)
        if len(spans) != len(head.layers):
            raise BadContents(f"{len(head.layers)} tensors and {len(spans)} raw contents")
        found = {
            layer.name: from_raw(layer.dtype, layer.shape, message, *span)
            for layer, span in zip(head.layers, spans, strict=True)
        }
        if spans and spans[-1][1] == len(message):
            if len(self._forms) >= _KEPT:
                self._forms.clear()
            self._forms[len(message)] = _Form(head, _places(message, head, spans))
        return head, found


read_request = Reader(_REQUEST_RAW).read
read_answer = Reader(_ANSWER_RAW).read


def _places(message: bytes, head: Head, spans: list[Span]) -> tuple[_Place, ...]:
    ends = [0, *(end for _, end in spans)]
    return tuple(
        _Place(at, message[at:start], start, end, layer, viewed(layer.dtype))
        for at, (start, end), layer in zip(ends, spans, head.layers, strict=False)
    )


def _split(message: bytes, raw: int) -> tuple[bytes, list[Span]]:
    """The message without its raw contents, and where those are."""
    spans: list[Span] = []
    kept: list[bytes] = []
    at = 0
    for number, kind, start, end in fields(message, 0, len(message)):
        if number == raw and kind == BYTES:
            spans.append((start, end))
        else:
            kept.append(message[at:end])
        at = end
    return b"".join(kept), spans


@lru_cache(_KEPT)
def _head(data: bytes) -> Head:
    model, version, layers = "", "", []
    for number, kind, start, end in fields(data, 0, len(data)):
        if kind != BYTES:
            continue
        if number == 1:
            model = text(data[start:end])
        elif number == 2:
            version = text(data[start:end])
        elif number == _ANSWER_OUTPUTS:  # a request's inputs have the same number
            layers.append(_read_layer(data, start, end))
    if len({layer.name for layer in layers}) != len(layers):
        raise BadContents("a layer that is there twice")
    return Head(model, version, tuple(layers))


def _read_layer(data: bytes, start: int, end: int) -> TensorSpec:
    name, dtype, shape = "", "", []
    for number, kind, begin, until in fields(data, start, end):
        if number == 1 and kind == BYTES:
            name = text(data[begin:until])
        elif number == 2 and kind == BYTES:
            dtype = text(data[begin:until])
        elif number == 3 and kind == BYTES:
            while begin < until:
                dimension, begin = varint_at(data, begin, until)
                shape.append(signed(dimension))
        elif number == 3 and kind == VARINT:
            shape.append(signed(varint_at(data, begin, until)[0]))
    return TensorSpec(name, dtype, tuple(shape))


def _layer(layer: TensorSpec) -> bytes:
    shape = b"".join(varint(dimension) for dimension in layer.shape)
    return field(1, layer.name.encode()) + field(2, layer.dtype.encode()) + field(3, shape)
