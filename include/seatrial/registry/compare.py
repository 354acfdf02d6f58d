"""Two versions side by side (pure): from two dossiers, what differs and what is the same, fact by fact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.registry.dossier import Document

SCHEMA = 1
OWN_SECTION = ("metrics", "hyper_parameters", "tags")
CAPACITY = ("lambda_max", "mu", "p50_ms", "p99_ms", "cpu_cores_mean", "memory_mb_peak", "feasible")
SECTIONS = ("format", "signature", "metrics", "hyper_parameters", "tags", "manifest", "files", "verdicts", "capacity")


def compare(left: Document, right: Document) -> Document:
    """The document. In `sections` each fact that differs: `left` and `right` (null: it has none), and for two numbers
    `change`, right − left. `same` counts the facts that agree. Verdicts and capacity are the newest of their kind and
    hardware option.
    """
    sections: dict[str, dict[str, Document]] = {}
    same: dict[str, int] = {}
    for section in SECTIONS:
        of_left, of_right = facts(left, section), facts(right, section)
        names = list(dict.fromkeys([*of_left, *of_right]))
        differing = [name for name in names if of_left.get(name, MISSING) != of_right.get(name, MISSING)]
        sections[section] = {name: _difference(of_left.get(name), of_right.get(name)) for name in differing}
        same[section] = len(names) - len(differing)
    return {"schema": SCHEMA, "left": _name(left), "right": _name(right), "sections": sections, "same": same}


MISSING = object()


def facts(dossier: Document, section: str) -> dict[str, Any]:
    """The facts of one section by name, each a plain JSON value."""
    version = dossier["version"]
    served = version["served"]
    if section == "format":
        return {"format": served["format"], "main_file": served["main_file"]}
    if section == "signature":
        return dict(_layers(served["signature"]))
    if section in OWN_SECTION:
        return dict(version[section])
    if section == "manifest":
        left_out = {*OWN_SECTION, "format"}
        return dict(_flat({name: value for name, value in version["manifest"].items() if name not in left_out}))
    if section == "files":
        return dict(dossier["files"])
    if section == "verdicts":
        return dict(_verdicts(dossier["verdicts"]))
    return dict(_capacities(dossier["cells"]))


def _layers(signature: Document) -> Iterator[tuple[str, str]]:
    for side in ("inputs", "outputs"):
        for layer in signature[side]:
            yield f"{side[:-1]} {layer['name']}", f"{layer['dtype']}[{','.join(map(str, layer['shape']))}]"


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, below in value.items():
            yield from _flat(below, f"{path}.{name}" if path else str(name))
    else:
        yield path, value


def _verdicts(verdicts: Sequence[Document]) -> Iterator[tuple[str, Any]]:
    for verdict in verdicts:  # oldest first: the newest of a kind stays
        yield verdict["kind"], verdict["verdict"]
        for part in verdict["parts"]:
            if isinstance(part, Mapping) and "name" in part:
                yield f"{verdict['kind']}.{part['name']}", part.get("value")


def _capacities(cells: Sequence[Document]) -> Iterator[tuple[str, Any]]:
    for cell in cells:
        option, capacity = cell.get("option"), cell.get("capacity")
        if isinstance(option, Mapping) and isinstance(capacity, Mapping):
            for name in CAPACITY:
                if name in capacity:
                    yield f"{option.get('name')}.{name}", capacity[name]


def _difference(left: Any, right: Any) -> Document:
    found = {"left": left, "right": right}
    numbers = [value for value in (left, right) if isinstance(value, int | float) and not isinstance(value, bool)]
    return {**found, "change": numbers[1] - numbers[0]} if len(numbers) == 2 else found


def _name(dossier: Document) -> Document:
    return {name: dossier["version"][name] for name in ("model", "version", "model_id")}
