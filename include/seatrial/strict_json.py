"""JSON from strangers (pure): finite numbers within a depth that every later reader can follow, or a refusal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from seatrial.errors import Refused

DEEPEST = 64  # levels of lists and objects; a shadow report has six, and Python's own readers give up before 1000
LONGEST_NAME = 200  # characters of a path in a refusal


def read_json(data: bytes | str, field: str) -> Any:
    """What a JSON text says; `field` is the name of it in a refusal.

    Raises Refused, naming the part, for lists and objects within one another beyond DEEPEST and for numbers that are
    not finite (NaN and Infinity, which are no JSON, and 1e999); Refused for half characters, which cannot be written
    again; ValueError for what is no JSON.
    """
    strange: list[str] = []

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            strange.append(text)
        return value

    text = data if isinstance(data, str) else data.decode(json.detect_encoding(data), "surrogatepass")  # as json.loads
    try:
        document = json.loads(text, parse_constant=number, parse_float=number)
    except RecursionError:
        raise _too_deep(field, "hundreds of") from None
    if depth(document) > DEEPEST:
        raise _too_deep(*_deepest(document, field))
    if strange:
        where = _not_finite(document, field)
        raise Refused(f"{where}: {strange[0]} (limit: finite numbers)", field=where, value=strange[0], limit="finite")
    if _holds_half(text, document):
        raise Refused(f"{field}: holds half a character, a surrogate without the other one", field=field)
    return document


def depth(document: Any) -> int:
    """Levels of lists and objects within one another; 0 for a plain value."""
    levels, at = 0, [document]
    while at := [value for value in at if isinstance(value, dict | list)]:
        levels += 1
        at = [below for value in at for _, below in _parts(value)]
    return levels


def _parts(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _deepest(document: Any, field: str) -> tuple[str, int]:
    """The first part of a document that is too deep together with it, and the depth of both."""
    for name, part in _parts(document):
        if depth(part) >= DEEPEST:
            return f"{field}.{name}"[:LONGEST_NAME], depth(part) + 1
    raise AssertionError(field)


def _not_finite(value: Any, path: str) -> str:
    """The path to the first number that is not finite, "" where there is none. Not for what is deeper than DEEPEST."""
    if isinstance(value, float) and not math.isfinite(value):
        return path[:LONGEST_NAME]
    return next((found for name, part in _parts(value) if (found := _not_finite(part, f"{path}.{name}"))), "")


def _holds_half(text: str, document: Any) -> bool:
    """Whether a text or a name in the document is no Unicode: by an escape, or by bytes that `text` was read from."""
    try:
        (json.dumps(document, ensure_ascii=False) if "\\u" in text else text).encode()
    except UnicodeEncodeError:
        return True
    return False


def _too_deep(field: str, found: int | str) -> Refused:
    return Refused(f"{field}: nests {found} levels deep (limit: {DEEPEST})", field=field, value=found, limit=DEEPEST)
