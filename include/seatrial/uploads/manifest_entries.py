"""The entries of a manifest in words: description, unit, default and limits, all from the model itself (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.uploads.manifest import MANIFEST, Manifest

DRAFT = "https://json-schema.org/draft/2020-12/schema"

Node = Mapping[str, Any]


@dataclass(frozen=True)
class ManifestEntry:
    """One entry, or a section of them. `limits` says what is accepted; a section has neither limits nor default."""

    path: tuple[str, ...]
    description: str
    required: bool
    is_section: bool = False
    default: Any = None
    unit: str = ""
    limits: str = ""

    @property
    def name(self) -> str:
        return ".".join(self.path)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `model.yaml`. What it cannot say, such as that files are there, is checked
    when an upload is: a document that it accepts may still be refused."""
    return {"$schema": DRAFT, **Manifest.model_json_schema(), "title": f"{MANIFEST}, the manifest of an upload"}


def manifest_entries() -> tuple[ManifestEntry, ...]:
    """All of them in the manifest's order, a section before its entries."""
    schema = Manifest.model_json_schema()
    return tuple(_entries(schema, schema["$defs"], ()))


def _entries(model: Node, parts: Mapping[str, Node], above: tuple[str, ...]) -> Iterator[ManifestEntry]:
    required = model.get("required", ())
    for name, node in model["properties"].items():
        part = parts.get(str(node.get("$ref", "")).rpartition("/")[2])
        path = (*above, name)
        if part:
            yield ManifestEntry(path, _line(part["description"]), name in required, is_section=True)
            yield from _entries(part, parts, path)
            continue
        default, unit = node.get("default", _EMPTY.get(node.get("type"))), node.get("unit", "")
        yield ManifestEntry(
            path,
            _line(node["description"]),
            name in required,
            default=default,
            unit=unit,
            limits=_limits(node),
        )


_EMPTY: Mapping[str | None, Any] = {"object": {}}


def _line(text: str) -> str:
    return " ".join(text.split())


def _limits(node: Node) -> str:
    """What an entry takes: `50 to 99.99`, `one of onnx, savedmodel, tensorrt`, `at most 500 characters`."""
    kinds = [kind for kind in node.get("anyOf", (node,)) if kind.get("type") != "null"]
    found = [_KINDS[kinds[0]["type"]]] if len(kinds) == 1 else []
    for kind in kinds[:1]:
        if "enum" in kind:
            return f"one of {', '.join(kind['enum'])}"
        if "pattern" in kind:
            found.append(kind["pattern"])
        for least, above, most, words in _RANGES:
            found += _range(kind.get(least), kind.get(above), kind.get(most), words)
    return ", ".join(found)


def _range(least: float | None, above: float | None, most: float | None, words: str) -> list[str]:
    if least is not None and most is not None:
        return [f"{least:.12g} to {most:.12g}{words}"]
    ends = (("at least", least), ("more than", above), ("at most", most))
    return [f"{word} {end:.12g}{words}" for word, end in ends if end is not None]


_KINDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "names with values",
    "string": "text",
}
_RANGES = (
    ("minimum", "exclusiveMinimum", "maximum", ""),
    ("minLength", "", "maxLength", " characters"),
    ("minItems", "", "maxItems", " entries"),
    ("minProperties", "", "maxProperties", " entries"),
)
