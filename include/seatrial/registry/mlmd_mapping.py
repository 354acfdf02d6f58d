"""Entities to ml-metadata's protos and back (pure). Only this file knows property names and how unique names are made.

    RegisteredModel   Context    RegisteredModel   "pitch"
    ModelVersion      Artifact   ModelVersion      "pitch@2"      its id is the model id; attributed to the context
    its upload        Artifact   Upload            same name      attributed to the context
    its registration  Execution  RegisterVersion   same name      reads the Upload, writes the ModelVersion
    StageMove         Execution  StageMove         "pitch#7"      associated with the context; reads the version(s)
    Evidence          Artifact   Evidence          "pitch@2/ProfileHardware/<run>/<key>"
                      Execution  ProfileHardware   same name      reads the version, writes the Evidence

ml-metadata refuses a second thing of the same type and name. That is the compare-and-swap under every number given out.

The property `record` is the entity itself, as JSON text in a protobuf StringValue; every other property repeats a part
of it for searches with the store's own tools, cut and without backslashes. They cannot hold the truth: ml-metadata
writes doubles with six digits, PostgreSQL's integers have 32 bits and its indexed texts 2.7 kB, and a backslash in a
text becomes SQL there (1.17.1; docs/adr/0005).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from google.protobuf.wrappers_pb2 import StringValue
from ml_metadata.proto import metadata_store_pb2 as pb

from seatrial.errors import Refused
from seatrial.registry.entities import Evidence, ModelVersion, RegisteredModel, Scalar, StageMove

MODEL, VERSION, MOVE, EVIDENCE = "RegisteredModel", "ModelVersion", "StageMove", "Evidence"
UPLOAD, REGISTRATION = "Upload", "RegisterVersion"

VERSION_PROPERTIES: dict[str, int] = {
    **dict.fromkeys(("model", "tree_digest", "user", "description", "source", "run"), pb.STRING),
    "version": pb.INT,
    "record": pb.PROTO,
}
EVIDENCE_PROPERTIES: dict[str, int] = {
    **dict.fromkeys(("kind", "key", "run"), pb.STRING),
    "model_id": pb.INT,
    "record": pb.PROTO,
}
MOVE_PROPERTIES: dict[str, int] = {
    **dict.fromkeys(("model", "environment", "from_stage", "to_stage", "who", "run", "why"), pb.STRING),
    **dict.fromkeys(("seq", "version", "displaced"), pb.INT),
    "record": pb.PROTO,
}
UPLOAD_PROPERTIES: dict[str, int] = dict.fromkeys(("source", "tree_digest"), pb.STRING)
REGISTRATION_PROPERTIES: dict[str, int] = dict.fromkeys(("user", "run"), pb.STRING)
STEP_PROPERTIES: dict[str, int] = dict.fromkeys(("key", "run"), pb.STRING)

IMPORTED_MS = "imported.created_ms"  # as text: ml-metadata gives times of creation itself
NAME_LIMIT = 255  # characters of a name column in MySQL and PostgreSQL, and of what is searched
_INT32, _INT64 = range(-(2**31), 2**31), range(-(2**63), 2**63)
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")  # it names a type of the store

Edge = tuple[int | None, int | None, pb.Event]
"""An event of a transaction: index of its execution, index of its artifact or None where the event has an id."""


def version_name(model: str, version: int) -> str:
    return f"{model}@{version}"


def version_of_name(name: str) -> int:
    """The number in the name of a version, or of its upload."""
    return int(name.rpartition("@")[2])


def move_name(model: str, seq: int) -> str:
    return f"{model}#{seq}"


def evidence_name(version: ModelVersion, kind: str, run: str, key: str) -> str:
    """The unique name of a document. Parts are quoted, so that no run id can spell another one's name."""
    parts = (quote(part, safe=":+@=, ") for part in (kind, run, key))
    name = "/".join([version_name(version.model, version.version), *parts])
    if len(name) <= NAME_LIMIT:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{name[: NAME_LIMIT - len(digest) - 1]}~{digest}"


def to_json(document: Any, field: str) -> str:
    """Compact JSON text, keys in their order. Raises Refused for what JSON cannot say: NaN would not survive travel."""
    try:
        return json.dumps(document, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError) as error:
        raise Refused(f"{field} cannot be kept as JSON: {error}", field=field) from error


def check_kind(kind: str) -> None:
    """Raise Refused unless `kind` can be the kind of a document: it must not pose as another thing of the store."""
    if not _KIND.fullmatch(kind) or kind in (MODEL, VERSION, MOVE, EVIDENCE, UPLOAD, REGISTRATION):
        raise Refused(f"evidence cannot be of kind {kind[:80]!r} (limit: {_KIND.pattern})", field="kind", value=kind)


def model_to_context(name: str, type_id: int) -> pb.Context:
    return pb.Context(type_id=type_id, name=name)


def context_to_model(context: pb.Context) -> RegisteredModel:
    return RegisteredModel(name=context.name, created_ms=_created_ms(context))


def imported_context(model: RegisteredModel, type_id: int) -> pb.Context:
    """As `model_to_context`, with the time that the model was made at elsewhere."""
    context = model_to_context(model.name, type_id)
    context.custom_properties[IMPORTED_MS].string_value = str(model.created_ms)
    return context


def imported_version(version: ModelVersion, type_id: int) -> pb.Artifact:
    """As `version_to_artifact`, with the time that the version was made at elsewhere."""
    artifact = version_to_artifact(version, type_id)
    artifact.custom_properties[IMPORTED_MS].string_value = str(version.created_ms)
    return artifact


def _created_ms(node: Any) -> int:
    imported = node.custom_properties
    return int(imported[IMPORTED_MS].string_value if IMPORTED_MS in imported else node.create_time_since_epoch)


def version_to_artifact(version: ModelVersion, type_id: int) -> pb.Artifact:
    """The artifact of a version that is not yet in the store: its id and time are the store's to give."""
    artifact = pb.Artifact(type_id=type_id, name=version_name(version.model, version.version))
    artifact.uri = _searchable(version.uri)
    if version.deleted is not None:
        artifact.state = pb.Artifact.DELETED
    _index(artifact.properties, version.model_dump(include=set(VERSION_PROPERTIES)))
    for prefix, values in _prefixed(version).items():
        _index(artifact.custom_properties, {prefix + name: value for name, value in values.items()})
    for field in ("manifest", "metrics", "hyper_parameters"):
        to_json(getattr(version, field), field)  # a refusal names the field
    _record(artifact.properties, version.model_dump(exclude={"model_id", "created_ms"}))
    return artifact


def artifact_to_version(artifact: pb.Artifact) -> ModelVersion:
    return ModelVersion(model_id=artifact.id, created_ms=_created_ms(artifact), **_recorded(artifact.properties))


def mark_deleted(artifact: pb.Artifact, move: StageMove) -> None:
    """Make a version's artifact that of a deleted one; `move` is its last ledger entry."""
    artifact.state = pb.Artifact.DELETED
    deleted = move.model_dump(include={"at_ms", "who", "why"})
    _record(artifact.properties, {**_recorded(artifact.properties), "deleted": deleted})


def version_to_upload(version: ModelVersion, type_id: int) -> pb.Artifact:
    """The artifact of the upload that a new version comes from; the upload itself may be gone."""
    upload = pb.Artifact(type_id=type_id, name=version_name(version.model, version.version))
    upload.uri = _searchable(version.source)
    _index(upload.properties, version.model_dump(include=set(UPLOAD_PROPERTIES)))
    return upload


def version_to_registration(version: ModelVersion, type_id: int) -> pb.Execution:
    name = version_name(version.model, version.version)
    registration = pb.Execution(type_id=type_id, name=name, last_known_state=pb.Execution.COMPLETE)
    _index(registration.properties, version.model_dump(include=set(REGISTRATION_PROPERTIES)))
    return registration


def move_to_execution(move: StageMove, type_id: int) -> pb.Execution:
    execution = pb.Execution(
        type_id=type_id, name=move_name(move.model, move.seq), last_known_state=pb.Execution.COMPLETE
    )
    _index(execution.properties, move.model_dump(include=set(MOVE_PROPERTIES), exclude_none=True))
    _record(execution.properties, move.model_dump())
    return execution


def execution_to_move(execution: pb.Execution) -> StageMove:
    return StageMove(**_recorded(execution.properties))


def evidence_to_artifact(evidence: Evidence, name: str, type_id: int) -> pb.Artifact:
    """The artifact of a document; its id is the store's to give."""
    artifact = pb.Artifact(type_id=type_id, name=name, state=pb.Artifact.LIVE)
    _index(artifact.properties, evidence.model_dump(include=set(EVIDENCE_PROPERTIES)))
    to_json(evidence.document, "document")
    _record(artifact.properties, evidence.model_dump(exclude={"id"}))
    return artifact


def evidence_to_step(evidence: Evidence, name: str, type_id: int) -> pb.Execution:
    """The execution of the step that wrote a document."""
    step = pb.Execution(type_id=type_id, name=name, last_known_state=pb.Execution.COMPLETE)
    _index(step.properties, {"key": evidence.key, "run": evidence.run})
    return step


def artifact_to_evidence(artifact: pb.Artifact) -> Evidence:
    return Evidence(id=artifact.id, **_recorded(artifact.properties))


def reads(what: str, artifact_id: int) -> Edge:
    """The first execution of a transaction reads an artifact that is in the store; `what` is its part in it."""
    return 0, None, _event(pb.Event.INPUT, what, artifact_id)


def reads_new(what: str, at: int) -> Edge:
    """The first execution of a transaction reads the artifact at an index of it."""
    return 0, at, _event(pb.Event.INPUT, what)


def writes(what: str) -> Edge:
    """The first execution of a transaction wrote the first artifact of it."""
    return 0, 0, _event(pb.Event.OUTPUT, what)


def wrote(what: str, artifact_id: int) -> Edge:
    """The first execution of a transaction wrote an artifact that is in the store."""
    return 0, None, _event(pb.Event.OUTPUT, what, artifact_id)


def readers_of(events: Iterable[pb.Event]) -> set[int]:
    """Ids of the executions that read something."""
    return {event.execution_id for event in events if event.type == pb.Event.INPUT}


def written_by(events: Iterable[pb.Event]) -> set[int]:
    """Ids of the artifacts that were written."""
    return {event.artifact_id for event in events if event.type == pb.Event.OUTPUT}


def _event(kind: int, what: str, artifact_id: int | None = None) -> pb.Event:
    event = pb.Event(type=kind, artifact_id=artifact_id)
    event.path.steps.add(key=what)
    return event


def _prefixed(version: ModelVersion) -> dict[str, Mapping[str, Scalar]]:
    """Open-ended values become custom properties, so that the store's own tools can search them."""
    return {"tag.": version.tags, "metric.": version.metrics, "param.": version.hyper_parameters}


def _record(properties: Any, values: Mapping[str, Any]) -> None:
    properties["record"].proto_value.Pack(StringValue(value=to_json(values, "record")))


def _recorded(properties: Any) -> dict[str, Any]:
    text = StringValue()
    properties["record"].proto_value.Unpack(text)
    values: dict[str, Any] = json.loads(text.value)
    return values


def _index(properties: Any, values: Mapping[str, Scalar]) -> None:
    """Fill the searchable properties. Raises Refused, by name, for a value that no store or JSON would keep."""
    for name, value in values.items():
        if len(name) > NAME_LIMIT:
            raise Refused(f"{name[:40]}…: a name of {len(name)} characters (limit: {NAME_LIMIT})", field=name)
        kept = properties[_searchable(_plain(name, name))]
        if isinstance(value, bool):  # before int: a bool is one
            kept.bool_value = value
        elif isinstance(value, int) and value in _INT32:
            kept.int_value = value
        elif isinstance(value, int | float):
            if isinstance(value, int) and value not in _INT64:
                raise Refused(f"{name}: {value} does not fit 64 bits", field=name, value=value)
            kept.double_value = value
        else:
            kept.string_value = _searchable(_plain(name, value))


def _searchable(text: str) -> str:
    """As much of a text as every store can index. A backslash would end the text and begin SQL in PostgreSQL's."""
    return text[:NAME_LIMIT].replace("\\", "/")


def _plain(name: str, text: str) -> str:
    """Text that every store keeps unchanged: valid Unicode, and no NUL (PostgreSQL has none, SQLite cuts there)."""
    if "\0" in text or (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)):
        raise Refused(f"{name}: holds a NUL or half a surrogate pair", field=name)
    return text
