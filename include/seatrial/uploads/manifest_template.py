"""A `model.yaml` that explains itself (pure): every entry with what it means, its unit, default and limits."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from seatrial.uploads.manifest_entries import ManifestEntry, manifest_entries

WIDTH = 110
HEAD = """What Seatrial should know of this model. Lines that begin with # and a space explain; one that begins with #
alone is an entry with its default: take the # away, and that of the section above it, to set it."""


def manifest_template(values: Mapping[str, Any], found: Iterable[str] = ()) -> str:
    """The text of a manifest with `values` (as `model.yaml` has them, sections as mappings) set and all else behind `#`
    with its default. `found` are lines about the model, shown as comments."""
    head = [*_comment(HEAD), "", *(f"# {line}".rstrip() for line in found)]
    lines = [line for entry in manifest_entries() for line in _lines(entry, values)]
    return "\n".join([*head, *lines]) + "\n"


def _lines(entry: ManifestEntry, values: Mapping[str, Any]) -> Iterator[str]:
    indent, name = "  " * (len(entry.path) - 1), entry.path[-1]
    is_set, value = _value(entry.path, values)
    if not indent:
        yield ""
    yield from _comment(_said(entry), indent)
    if entry.is_section:
        yield f"{indent}{'' if is_set else '#'}{name}:"
        return
    text: str = yaml.safe_dump(
        {name: value if is_set else entry.default}, sort_keys=False, allow_unicode=True, width=WIDTH
    )
    for line in text.splitlines():
        yield f"{indent}{'' if is_set else '#'}{line}"


def _value(path: tuple[str, ...], values: Mapping[str, Any]) -> tuple[bool, Any]:
    """Whether the entry is set, and to what."""
    found: Any = values
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            return False, None
        found = found[name]
    return True, found


def _said(entry: ManifestEntry) -> str:
    unit = f"in {entry.unit}" if entry.unit else ""
    needed = "required" if entry.required else ""
    facts = "; ".join(fact for fact in (unit, entry.limits, needed) if fact)
    return f"{entry.description} ({facts})" if facts else entry.description


def _comment(text: str, indent: str = "") -> list[str]:
    before = f"{indent}# "
    return textwrap.wrap(
        text, WIDTH, initial_indent=before, subsequent_indent=before, break_long_words=False, break_on_hyphens=False
    )
