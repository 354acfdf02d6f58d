"""Bytes to try a parser with: sound ones with damage at any place, and protobuf messages with damage that fits in.

Bytes that change anywhere mostly break a length, which a protobuf parser refuses at once. So the fields of a message
are changed one by one and the lengths around them made right again: what reads the parsed message sees the damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

from seatrial.client.fields import BYTES, VARINT, varint, varint_at
from seatrial.client.fields import fields as wire_fields
from seatrial.client.wire import BadContents

Make = Callable[[Random], bytes]
"""What makes an input; the same one of the same draws."""

NUMBERS = (0, 1, 2, 127, 2**16, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
PIECES = tuple(number.to_bytes(size, "little") for number in (0, 1, 2**31 - 1, 2**32 - 1) for size in (4, 8))
LARGEST = 2**18


def noise(draw: Random) -> bytes:
    return draw.randbytes(draw.randrange(2000))


def damaged(seed: bytes) -> Make:
    """`seed` with up to eight pieces of it overwritten, cut out, put in or moved."""

    def make(draw: Random) -> bytes:
        data = seed
        for _ in range(draw.randint(1, 8)):
            at = draw.randint(0, len(data))
            piece = draw.choice((draw.randbytes(draw.randrange(12)), draw.choice(PIECES), data[at : at + 20]))
            data = data[:at] + piece + data[at + draw.choice((0, 0, 1, len(piece), 8)) :]
        return data[: draw.randrange(len(data) + 1)] if draw.random() < 0.1 else data

    return make


def text_of(words: tuple[str, ...]) -> Make:
    """Texts of a language's own words in any order, which say more to its reader than letters do."""
    return lambda draw: "".join(draw.choices(words, k=draw.randrange(60))).encode()


@dataclass(frozen=True)
class Field:
    """One field of a message. `value` is a number, bytes, or the fields of a message within."""

    number: int
    kind: int
    value: int | bytes | tuple[Field, ...]


def changed(seed: bytes) -> Make:
    """The protobuf message `seed` with up to four of its fields, at any depth, changed."""
    fields = read(seed)
    assert fields, "not a message"

    def make(draw: Random) -> bytes:
        message = fields
        for _ in range(draw.randint(1, 4)):
            place, change = draw.randrange(max(1, _count(message))), draw.choice(CHANGES)
            number = draw.choice((*NUMBERS, draw.getrandbits(64)))
            message = _changed(message, place, change, number, draw.randbytes(draw.randrange(12)))
        return write(message)[:LARGEST]

    return make


def read(data: bytes) -> tuple[Field, ...] | None:
    """The fields of a message, or None where the bytes are none."""
    try:
        return tuple(_fields(data))
    except BadContents:
        return None


def write(fields: tuple[Field, ...]) -> bytes:
    return b"".join(_written(field) for field in fields)


Change = Callable[[Field, int, bytes], tuple[Field, ...]]

CHANGES: tuple[Change, ...] = (
    lambda field, number, data: (),
    lambda field, number, data: (field, field),
    lambda field, number, data: (field,) * (1 + number % 300),
    lambda field, number, data: (replace(field, number=1 + number % 30),),
    lambda field, number, data: (Field(field.number, VARINT, number),),
    lambda field, number, data: (Field(field.number, BYTES, data),),
    lambda field, number, data: (Field(field.number, BYTES, (Field(1 + number % 30, BYTES, data), field)),),
    lambda field, number, data: (Field(field.number, BYTES, (field,)),),
)


def _changed(fields: tuple[Field, ...], place: int, change: Change, number: int, data: bytes) -> tuple[Field, ...]:
    """`fields` with the one at `place`, counted as they are written, changed."""
    for at, field in enumerate(fields):
        within = 1 + (_count(field.value) if isinstance(field.value, tuple) else 0)
        if place < within:
            if place == 0 or not isinstance(field.value, tuple):
                found = change(field, number, data)
            else:
                found = (replace(field, value=_changed(field.value, place - 1, change, number, data)),)
            return (*fields[:at], *found, *fields[at + 1 :])
        place -= within
    return fields


def _count(fields: tuple[Field, ...]) -> int:
    return sum(1 + (_count(field.value) if isinstance(field.value, tuple) else 0) for field in fields)


def _fields(data: bytes) -> Iterator[Field]:
    for number, kind, at, end in wire_fields(data, 0, len(data)):
        if number >= 1000:
            raise BadContents("a field of no message that anyone made")
        if kind == VARINT:
            yield Field(number, kind, varint_at(data, at, end)[0])
        else:
            yield Field(number, kind, (kind == BYTES and read(data[at:end])) or data[at:end])


def _written(field: Field) -> bytes:
    head = varint(field.number << 3 | field.kind)
    if isinstance(field.value, int):
        return head + varint(field.value)
    content = write(field.value) if isinstance(field.value, tuple) else field.value
    return head + (varint(len(content)) if field.kind == BYTES else b"") + content
