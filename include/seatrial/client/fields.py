"""Protobuf's wire format (pure): a message is fields, each a number, a wire type and a value. Source: protobuf's
encoding guide."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.client.wire import BadContents

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

_SIZES = {FIXED64: 8, FIXED32: 4}


def tag(number: int) -> bytes:
    """What stands before the length of a field of bytes."""
    return varint(number << 3 | BYTES)


def field(number: int, value: bytes) -> bytes:
    """A field of bytes; nothing for no bytes, as proto3 writes it."""
    return tag(number) + varint(len(value)) + value if value else b""


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, start and end of each field's value. Raises BadContents where there is no whole field."""
    while at < end:
        key, at = varint_at(data, at, end)
        kind = key & 7
        if kind == BYTES:
            length, at = varint_at(data, at, end)
            after = at + length
        elif kind == VARINT:
            after = varint_at(data, at, end)[1]
        elif kind in _SIZES:
            after = at + _SIZES[kind]
        else:
            raise BadContents(f"a field of wire type {kind}")
        if after > end or key >> 3 == 0:
            raise BadContents("a message that is cut off")
        yield key >> 3, kind, at, after
        at = after


def varint_at(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number that begins at `at`, and where the next value begins."""
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


def signed(value: int) -> int:
    """A varint as the int64 that it stands for."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadContents("a name that is no text") from error
