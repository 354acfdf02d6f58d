"""Order and pages of a listing (pure). A cursor names the last item shown, not a count: what is added meanwhile moves
nothing, and no item is shown twice or left out."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from seatrial.errors import Refused
from seatrial.strict_json import read_json

Item = TypeVar("Item")
Key = tuple[int, Any, Any]
"""Where an item stands: 1 when it lacks what is ordered by (those come last), that value, and its unique name."""

DEFAULT_LIMIT, HIGHEST_LIMIT = 50, 500


@dataclass(frozen=True)
class Order:
    """A field to order by; `-field` in text is the other way round."""

    field: str
    descending: bool = False

    def __str__(self) -> str:
        return f"{'-' if self.descending else ''}{self.field}"


@dataclass(frozen=True)
class Page(Generic[Item]):
    items: tuple[Item, ...]
    cursor: str | None


def parse_order(text: str) -> Order:
    return Order(text.removeprefix("-"), text.startswith("-"))


def key_of(value: Any, unique: str | int) -> Key:
    return (1, 0, unique) if value is None else (0, value, unique)


def ordered(keys: Iterable[tuple[Key, Item]], order: Order) -> list[tuple[Key, Item]]:
    """By key; numbers before texts, what lacks the value last in either direction, equals by their unique name."""
    return sorted(keys, key=lambda entry: _rank(entry[0], order))


def page(keyed: Iterable[tuple[Key, Item]], order: Order, limit: int, question: str, cursor: str | None) -> Page[Item]:
    """The `limit` items after the cursor's. `question` is what was asked; a cursor of another question is Refused."""
    after = None if cursor is None else _rank(decode(cursor, question), order)
    left = [entry for entry in ordered(keyed, order) if after is None or _rank(entry[0], order) > after]
    shown = left[:limit]
    more = len(left) > len(shown)
    return Page(tuple(item for _, item in shown), encode(shown[-1][0], question) if more and shown else None)


def encode(key: Key, question: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([_digest(question), *key]).encode()).decode().rstrip("=")


def decode(cursor: str, question: str) -> Key:
    """Raises Refused for what `encode` did not make, or made for another filter or order."""
    try:
        said = read_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), "cursor")
        digest, missing, value, unique = said
    except (Refused, ValueError, TypeError, binascii.Error) as error:
        raise Refused(f"cursor {cursor[:40]!r} is not one of this listing", field="cursor") from error
    if digest != _digest(question):
        raise Refused("the cursor is of another filter or order: begin again without it", field="cursor")
    key = (missing, value, unique)
    if missing not in (0, 1) or not all(isinstance(part, str | int | float) for part in (value, unique)):
        raise Refused(f"cursor {cursor[:40]!r} is not one of this listing", field="cursor")
    return key


def check_limit(limit: int) -> int:
    if not 1 <= limit <= HIGHEST_LIMIT:
        raise Refused(f"limit {limit} is not from 1 to {HIGHEST_LIMIT}", field="limit", value=limit)
    return limit


def _rank(key: Key, order: Order) -> tuple[Any, ...]:
    missing, value, unique = key
    return missing, _turned(value, order.descending), _turned(unique, order.descending)


def _turned(value: Any, descending: bool) -> Any:
    is_text = isinstance(value, str)
    return (is_text, (_Backwards(value) if is_text else -value) if descending else value)


@dataclass(frozen=True)
class _Backwards:
    """A text that sorts the other way round."""

    text: str

    def __lt__(self, other: _Backwards) -> bool:
        return self.text > other.text


def _digest(question: str) -> str:
    return hashlib.sha256(question.encode()).hexdigest()[:12]
