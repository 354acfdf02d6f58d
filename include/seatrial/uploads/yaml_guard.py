"""YAML from strangers: a mapping of plain values within limits, or a refusal of one line."""

from __future__ import annotations

from typing import Any

import yaml

from seatrial.errors import UploadRefused

LONGEST_FILE = 256 * 1024
LONGEST_SCALAR = 16 * 1024
LONGEST_INT = 64  # bits
DEEPEST = 10
MOST_NODES = 20_000


def read_yaml_mapping(data: bytes, file: str) -> dict[str, Any]:
    """The mapping that a YAML file of at most 256 kB holds. Keys are not checked further than being unique.

    Refused with UploadRefused: aliases and anchors (they multiply), explicit tags, more than 10 levels or 20 000
    nodes, a key given twice (YAML would silently take the last), anything that is not a mapping.
    """
    if len(data) > LONGEST_FILE:
        raise UploadRefused("bytes are too many", file=file, value=len(data), limit=f"{LONGEST_FILE} bytes")
    try:
        loader = _PlainLoader(data, file)
        node = loader.get_single_node()
        _check_unique_keys(node, file)
        document = loader.construct_document(node) if node else None
    except yaml.YAMLError as error:
        raise UploadRefused(f"is not valid YAML: {_one_line(error)}", file=file) from error
    except (ValueError, OverflowError) as error:  # a date like 2020-99-99, an int of 5000 digits
        raise UploadRefused(f"holds a value that cannot be read: {_one_line(error)}", file=file) from error
    if not isinstance(document, dict):
        raise UploadRefused("is not a mapping of names to values", file=file, limit="name: value lines")
    return document


class _PlainLoader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """Reads a text once, and refuses an event before anything is made of it."""

    def __init__(self, data: bytes, file: str) -> None:
        super().__init__(data)
        self._file, self._depth, self._count = file, 0, 0

    def get_event(self) -> yaml.Event:
        event = super().get_event()
        self._count += 1
        self._depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if self._depth > DEEPEST:
            raise self._refused(event, "nests too deep", f"{DEEPEST} levels")
        if self._count > MOST_NODES:
            raise self._refused(event, "has too many nodes", MOST_NODES)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise self._refused(event, "uses a YAML anchor or alias", "write the value out")
        if getattr(event, "tag", None):
            raise self._refused(event, "uses a YAML tag", "plain values", event.tag)
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST_SCALAR:
            raise self._refused(event, "is too long", f"{LONGEST_SCALAR} characters a value")
        return event

    def construct_plain_int(self, node: yaml.Node) -> int:
        """Binary and hexadecimal ones may be so long that nothing can show them."""
        value: int = self.construct_yaml_int(node)
        if value.bit_length() > LONGEST_INT:
            raise ValueError(f"an integer of {value.bit_length()} bits, {LONGEST_INT} at most")
        return value

    def _refused(self, event: yaml.Event, reason: str, limit: str | int, value: object = None) -> UploadRefused:
        field = f"line {event.start_mark.line + 1}"
        return UploadRefused(reason, file=self._file, field=field, value=value, limit=limit)


_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.construct_plain_int)


def _check_unique_keys(node: yaml.Node | None, file: str) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_unique_keys(item, file)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name in seen:
                line = f"line {key.start_mark.line + 1}"
                raise UploadRefused("is given twice", file=file, field=line, value=name)
            seen.add(name)
            _check_unique_keys(value, file)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
