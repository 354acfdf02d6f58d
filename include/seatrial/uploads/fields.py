"""The limits of a manifest's free words, and what others wrote about a model, cut to them (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

LayerName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.:/-]{0,127}$")]
LONGEST_KEY, LONGEST_VALUE, LONGEST_DESCRIPTION = 100, 500, 10_000
MOST = {"tags": 200, "metrics": 200, "hyper_parameters": 500}


def kept(what: str, values: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Those that a manifest takes as `what`, by name; which were left out is noted."""
    fitting = {name: value for name, value in sorted(values.items()) if _fits(name, value)}
    found = dict(list(fitting.items())[: MOST[what]])
    left = sorted(values.keys() - found.keys())
    if left:
        shown = ", ".join(as_line(name)[:LONGEST_KEY] for name in left[:5])
        notes.append(f"{len(left)} of {what} left out, too long or too many for a manifest: {shown}")
    return found


def as_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def as_text(text: str) -> str:
    return "".join(letter if letter.isprintable() or letter in "\n\t" else " " for letter in text)


def as_mapping(value: Any) -> dict[str, Any]:
    """`value`, or nothing where it is no mapping: strangers put anything anywhere."""
    return value if isinstance(value, dict) else {}


def _fits(name: str, value: Any) -> bool:
    long = isinstance(value, str) and (len(value) > LONGEST_VALUE or not value.isprintable())
    return 0 < len(name) <= LONGEST_KEY and name.isprintable() and not long
