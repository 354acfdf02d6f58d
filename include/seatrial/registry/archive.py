"""The registry as one file of JSON lines (pure): in an order that can be written back, and checked as it is read.

    {"line":"header","format":"seatrial-registry","schema":1}
    {"line":"model", …}                   by name
    {"line":"version" | "evidence", …}    by id: a version stands before what is known of it
    {"line":"move", …}                    by model and seq; a version's deletion is its last move
    {"line":"end","models":…,"versions":…,"evidence":…,"moves":…,"sha256":…}      digest of all bytes before this line

The same registry is the same file, byte by byte. A file that was cut off has no end, one that was
changed has another digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from seatrial.errors import Refused
from seatrial.registry.entities import Evidence, ModelVersion, RegisteredModel, StageMove
from seatrial.strict_json import read_json

SCHEMA = 1
HEADER = {"line": "header", "format": "seatrial-registry", "schema": SCHEMA}
KINDS: dict[str, type[RegisteredModel | ModelVersion | Evidence | StageMove]] = {
    "model": RegisteredModel,
    "version": ModelVersion,
    "evidence": Evidence,
    "move": StageMove,
}
COUNTED = {"model": "models", "version": "versions", "evidence": "evidence", "move": "moves"}
PHASE = {"model": 0, "version": 1, "evidence": 1, "move": 2}
MOST_GAPS = 1_000_000  # ids that no line has; each becomes a placeholder when it is written back

NO_HEADER = "is not the header of an exported registry"
NO_DOCUMENT = "is no whole JSON document: the file was cut off or damaged"

Entry = RegisteredModel | ModelVersion | Evidence | StageMove


def write(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The file's lines. `entries` come in the file's order."""
    digest, counts = hashlib.sha256(), dict.fromkeys(COUNTED.values(), 0)
    kinds = {kind: name for name, kind in KINDS.items()}
    header = _line(HEADER)
    digest.update(header)
    yield header
    for entry in entries:
        name = kinds[type(entry)]
        counts[COUNTED[name]] += 1
        line = _line({"line": name, **entry.model_dump(mode="json", exclude={"deleted"})})
        digest.update(line)
        yield line
    yield _line({"line": "end", **counts, "sha256": digest.hexdigest()})


def read(lines: Iterable[bytes]) -> Iterator[Entry]:
    """The entries, each checked against those before it. Raises Refused naming the line, at the latest at the end:
    only who has read all of it may believe any of it."""
    digest, check, at = hashlib.sha256(), _Check(), 0
    end: dict[str, Any] | None = None
    for at, line in enumerate(lines, 1):
        if end is not None:
            raise _refused(at, "stands after the end")
        document = _document(line, at)
        if at == 1:
            _check_header(document)
        elif document.get("line") == "end":
            end = document
            continue
        else:
            entry = _entry(document, at)
            check.accept(entry, document["line"], at)
            yield entry
        digest.update(line)
    if end is None:
        raise _refused(at, "is the last one, and not an end: the file was cut off; make it again")
    expected = {"line": "end", **check.counts, "sha256": digest.hexdigest()}
    if end != expected:
        raise _refused(at, "the counts or the digest at the end are not those of the file: it was changed or damaged")


class _Check:
    """What the entries so far allow the next one to be."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(COUNTED.values(), 0)
        self._phase, self._id, self._gaps = 0, 0, 0
        self._model = ""
        self._versions: dict[str, set[int]] = {}
        self._names: dict[int, set[tuple[str, str, str]]] = {}
        self._seq: dict[str, int] = {}

    def accept(self, entry: Entry, kind: str, at: int) -> None:
        if PHASE[kind] < self._phase:
            raise _refused(at, f"a {kind} stands too late")
        self._phase = PHASE[kind]
        self.counts[COUNTED[kind]] += 1
        if isinstance(entry, RegisteredModel):
            self._take(entry.name > self._model, at, "models are not in the order of their names")
            self._model = entry.name
            self._versions[entry.name] = set()
        elif isinstance(entry, ModelVersion):
            self._next_id(entry.model_id, at)
            known = self._versions.get(entry.model)
            following = known is not None and entry.version == len(known) + 1
            self._take(following, at, "no such model, or not the number that follows its last one")
            assert known is not None
            known.add(entry.version)
            self._names[entry.model_id] = set()
        elif isinstance(entry, Evidence):
            self._next_id(entry.id, at)
            names, name = self._names.get(entry.model_id), (entry.kind, entry.run, entry.key)
            self._take(names is not None and name not in names, at, "no such version, or a document twice")
            assert names is not None
            names.add(name)
        else:
            versions, seq = self._versions.get(entry.model, set()), self._seq.get(entry.model, 0) + 1
            moved = {entry.version, entry.displaced} - {None}
            self._take(moved <= versions and entry.seq == seq, at, "no such version, or a hole in the ledger")
            self._seq[entry.model] = seq

    def _next_id(self, id: int, at: int) -> None:
        self._take(id > self._id, at, "ids do not grow")
        self._gaps += id - self._id - 1
        self._take(self._gaps <= MOST_GAPS, at, f"more than {MOST_GAPS} ids are left out")
        self._id = id

    def _take(self, ok: bool, at: int, reason: str) -> None:
        if not ok:
            raise _refused(at, reason)


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _document(line: bytes, at: int) -> dict[str, Any]:
    try:
        found = read_json(line, "it")
    except Refused as error:
        raise _refused(at, error.message) from error
    except ValueError as error:
        raise _refused(at, NO_HEADER if at == 1 else NO_DOCUMENT) from error
    if not isinstance(found, dict) or not line.endswith(b"\n"):
        raise _refused(at, NO_HEADER if at == 1 else NO_DOCUMENT)
    return found


def _check_header(document: dict[str, Any]) -> None:
    if document.get("line") != "header" or document.get("format") != HEADER["format"]:
        raise _refused(1, NO_HEADER)
    if document != HEADER:
        raise _refused(1, f"schema {document.get('schema')!r} is not known here (limit: {SCHEMA})")


def _entry(document: dict[str, Any], at: int) -> Entry:
    kind: type[BaseModel] | None = KINDS.get(str(document.get("line")))
    if kind is None:
        raise _refused(at, f"{str(document.get('line'))[:40]!r} is not a kind of line (limit: {', '.join(KINDS)}, end)")
    try:
        found = kind.model_validate({name: value for name, value in document.items() if name != "line"})
    except ValidationError as error:
        first = error.errors()[0]
        raise _refused(at, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    assert isinstance(found, RegisteredModel | ModelVersion | Evidence | StageMove)
    return found


def _refused(at: int, reason: str) -> Refused:
    return Refused(f"line {at}: {reason}", field="line", value=at)
