"""Everything out of ml-metadata, and everything back into an empty one with the same ids and times.

ml-metadata gives ids out itself, counting up: so artifacts are written in the order of their ids, and a Placeholder
where an id was left out. Times of creation, also its own to give, are kept beside as properties that win.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ml_metadata.proto import metadata_store_pb2 as pb

from seatrial.errors import Conflict
from seatrial.registry import mlmd_mapping as mapping
from seatrial.registry.archive import Entry
from seatrial.registry.entities import Evidence, ModelVersion, RegisteredModel, StageMove
from seatrial.registry.mlmd_connection import Connection
from seatrial.registry.mlmd_store import Registry
from seatrial.registry.versions import check_model_name

PLACEHOLDER, IMPORT = "Placeholder", "Import"
BATCH = 100
"""Artifacts read or placeholders written at once."""


def everything(registry: Registry) -> Iterator[Entry]:
    """All entries in the order of `archive`, as of now: what is registered while it is read is left out."""
    ledgers = registry.ledgers()
    models = registry.models()
    yield from models
    known, ids, after = {model.name for model in models}, set[int](), 0
    newest = registry.store.find("artifacts", "id > 0", 1, newest_first=True)
    last = newest[0].id if newest else 0
    while batch := registry.store.find("artifacts", f"id > {after} AND id <= {last}", BATCH):
        after = batch[-1].id
        for artifact in batch:
            if artifact.type == mapping.VERSION:
                version = mapping.artifact_to_version(artifact)
                if version.model in known:
                    ids.add(version.model_id)
                    yield version
            elif artifact.type == mapping.EVIDENCE:
                evidence = mapping.artifact_to_evidence(artifact)
                if evidence.model_id in ids:
                    yield evidence
    for moves in ledgers.values():
        yield from moves


def check(entries: Iterable[Entry]) -> None:
    """Go through all of a file. Raises Refused for what no registry would have accepted."""
    for entry in entries:
        if isinstance(entry, RegisteredModel):
            check_model_name(entry.name)
        elif isinstance(entry, Evidence):
            mapping.check_kind(entry.kind)


def restore(registry: Registry, entries: Iterable[Entry], digest: str) -> dict[str, int]:
    """Write entries that were checked into an empty registry; how many of each.

    Cut off, it goes on where it stopped when it is called again with the same `digest` of the same entries. Raises
    Conflict for a registry that is not empty, that another file was half written into, or that gave an id to another.
    """
    writer = _Writer(registry, _begin(registry, digest))
    for entry in entries:
        writer.write(entry)
    writer.write_registrations()
    _finish(registry.store, digest)
    return writer.counts


class _Writer:
    def __init__(self, registry: Registry, resumed: bool) -> None:
        store = self._store = registry.store
        self._types = {
            name: store.type_id("artifact", name, properties)
            for name, properties in (
                (mapping.VERSION, mapping.VERSION_PROPERTIES),
                (mapping.EVIDENCE, mapping.EVIDENCE_PROPERTIES),
                (mapping.UPLOAD, mapping.UPLOAD_PROPERTIES),
                (PLACEHOLDER, {}),
            )
        }
        self._model_type = store.type_id("context", mapping.MODEL, {})
        self._move_type = store.type_id("execution", mapping.MOVE, mapping.MOVE_PROPERTIES)
        self._registration_type = store.type_id("execution", mapping.REGISTRATION, mapping.REGISTRATION_PROPERTIES)
        self._versions: dict[int, ModelVersion] = {}
        self._ids: dict[tuple[str, int], int] = {}
        newest = store.find("artifacts", "id > 0", 1, newest_first=True)
        self._last_id = newest[0].id if newest else 0
        self._models = {model.name for model in registry.models()} if resumed else set()
        self._seq = {model: len(moves) for model, moves in registry.ledgers().items()} if resumed else {}
        self.counts = {"models": 0, "versions": 0, "evidence": 0, "moves": 0}

    def write(self, entry: Entry) -> None:
        """One transaction; none for what a run that was cut off has written."""
        if isinstance(entry, RegisteredModel):
            self.counts["models"] += 1
            if entry.name not in self._models:
                self._store.call("put_contexts", [mapping.imported_context(entry, self._model_type)])
        elif isinstance(entry, ModelVersion):
            self.counts["versions"] += 1
            few = {"model", "version", "source", "tree_digest", "user", "run"}
            light = ModelVersion.model_construct(**entry.model_dump(include=few))
            self._versions[entry.model_id], self._ids[entry.model, entry.version] = light, entry.model_id
            if entry.model_id > self._last_id:
                self._write_version(entry)
        elif isinstance(entry, Evidence):
            self.counts["evidence"] += 1
            if entry.id > self._last_id:
                self._write_evidence(entry)
        else:
            self.counts["moves"] += 1
            if entry.seq > self._seq.get(entry.model, 0):
                self._write_move(entry)

    def write_registrations(self) -> None:
        """Each version's upload and registration, last of all: no line has their ids. Those that are there stay."""
        for model_id, version in self._versions.items():
            self._store.put_new(
                executions=[mapping.version_to_registration(version, self._registration_type)],
                artifacts=[mapping.version_to_upload(version, self._types[mapping.UPLOAD])],
                edges=[mapping.reads_new("upload", 0), mapping.wrote("version", model_id)],
            )

    def _write_version(self, version: ModelVersion) -> None:
        self._fill_up_to(version.model_id)
        artifact = mapping.imported_version(version, self._types[mapping.VERSION])
        self._put([], [artifact], [mapping.model_to_context(version.model, self._model_type)], [])

    def _write_evidence(self, evidence: Evidence) -> None:
        self._fill_up_to(evidence.id)
        name = mapping.evidence_name(self._versions[evidence.model_id], evidence.kind, evidence.run, evidence.key)
        artifact = mapping.evidence_to_artifact(evidence, name, self._types[mapping.EVIDENCE])
        step_type = self._store.type_id("execution", evidence.kind, mapping.STEP_PROPERTIES)
        edges = [mapping.reads("version", evidence.model_id), mapping.writes("document")]
        self._put([mapping.evidence_to_step(evidence, name, step_type)], [artifact], [], edges)

    def _write_move(self, move: StageMove) -> None:
        model_id = self._ids[move.model, move.version]
        artifacts: list[pb.Artifact] = []
        edges = [mapping.reads("version", model_id)]
        if move.displaced is not None:
            edges.append(mapping.reads("displaced", self._ids[move.model, move.displaced]))
        if move.to_stage == "Deleted":
            artifacts = self._store.call("get_artifacts_by_id", [model_id])
            mapping.mark_deleted(artifacts[0], move)
        context = mapping.model_to_context(move.model, self._model_type)
        execution = mapping.move_to_execution(move, self._move_type)
        if self._store.put_new(executions=[execution], artifacts=artifacts, contexts=[context], edges=edges) is None:
            raise _disturbed(f"ledger entry {move.seq} of {move.model} is there already")

    def _fill_up_to(self, id: int) -> None:
        """Use up the ids that no line has."""
        while self._last_id < id - 1:
            gap = range(self._last_id + 1, min(id, self._last_id + 1 + BATCH))
            names = (f"{PLACEHOLDER} {left_out}" for left_out in gap)
            self._put([], [pb.Artifact(type_id=self._types[PLACEHOLDER], name=name) for name in names], [], [])

    def _put(
        self,
        executions: list[pb.Execution],
        artifacts: list[pb.Artifact],
        contexts: list[pb.Context],
        edges: list[mapping.Edge],
    ) -> None:
        given = self._store.put_new(executions=executions, artifacts=artifacts, contexts=contexts, edges=edges)
        if given != self._last_id + 1:
            raise _disturbed(f"the store gave out id {given} where {self._last_id + 1} was due")
        self._last_id += len(artifacts)


def _begin(registry: Registry, digest: str) -> bool:
    """Mark the registry as being imported into; whether it was before, by the same file."""
    store = registry.store
    found = store.call("get_contexts_by_type", IMPORT) if IMPORT in _context_types(store) else []
    for mark in found:
        if mark.properties["finished"].int_value:
            continue
        if mark.properties["sha256"].string_value == digest:
            return True
        raise Conflict(
            "an import of another file was cut off here: import that file again, or take a new, empty registry"
        )
    models = registry.models()
    if models or found or store.find("artifacts", "id > 0", 1):
        raise Conflict(
            f"the registry is not empty ({len(models)} models): an import needs an empty one, with a store and"
            " SEATRIAL_HOME of its own",
            models=len(models),
        )
    type_id = store.type_id("context", IMPORT, {"sha256": pb.STRING, "finished": pb.INT})
    mark = pb.Context(type_id=type_id, name=IMPORT)
    mark.properties["sha256"].string_value = digest
    mark.properties["finished"].int_value = 0
    store.call("put_contexts", [mark])
    return False


def _finish(store: Connection, digest: str) -> None:
    mark = store.call("get_context_by_type_and_name", IMPORT, IMPORT)
    assert mark.properties["sha256"].string_value == digest
    mark.properties["finished"].int_value = 1
    store.call("put_contexts", [mark])


def _context_types(store: Connection) -> set[str]:
    return {found.name for found in store.call("get_context_types")}


def _disturbed(what: str) -> Conflict:
    return Conflict(f"{what}: somebody else wrote meanwhile, or the store has lost ids; import into a new, empty one")
