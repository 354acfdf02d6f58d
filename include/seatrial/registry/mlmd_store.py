"""The registry on ml-metadata: the only writer of versions, stage moves and evidence."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from ml_metadata.proto.metadata_store_pb2 import Artifact, Context

from seatrial.errors import NoSuchModel, NoSuchVersion, SeatrialError, TryAgain
from seatrial.registry import mlmd_mapping as mapping
from seatrial.registry import rules
from seatrial.registry.deletion import check_not_deleted, deletion
from seatrial.registry.entities import Evidence, ModelVersion, RegisteredModel, Stage, StageMove
from seatrial.registry.mlmd_connection import Connection
from seatrial.registry.rules import ANY, Author, Expectation
from seatrial.registry.versions import check_model_name, is_model_name, next_version, with_digest
from seatrial.served_model import ServedModel

log = logging.getLogger(__name__)

LOST_RACES = 100  # each lost race is somebody else's success; so many in a row mean that the store is broken


class _Types(NamedTuple):
    """Ids of the store's types."""

    model: int
    version: int
    evidence: int
    upload: int
    move: int
    registration: int


class Registry:
    """Models, versions, stage ledgers and evidence. Safe for threads, and for several processes on one store.

    `connection` as in `parse_connection`; tables and types are made on first use, a second Registry finds them. A store
    that cannot be reached now is no error here: each call raises TryAgain until it can. Every write is one transaction.
    """

    def __init__(self, connection: str, failed: Callable[[SeatrialError], None] = lambda _: None) -> None:
        """`failed` is told of each call that the store did not do, though nothing was wrong with it."""
        self._store = Connection(connection, failed)
        try:
            _ = self._types  # a store of another Seatrial is refused at once
        except TryAgain as error:
            log.warning("%s; it is tried again by each call", error)

    @property
    def store(self) -> Connection:
        """For `mlmd_restore`, the other half of this class."""
        return self._store

    def register(
        self,
        model: str,
        tree_digest: str,
        *,
        served: ServedModel,
        manifest: dict[str, Any],
        source: str = "",
        run: str = "",
    ) -> tuple[ModelVersion, bool]:
        """The version of these bytes, and whether this call made it.

        The same digest twice in one model is the same version, also when two managers register it at once; another
        digest gets the next number. The number in `served` is replaced by that one; user, description, tags, metrics
        and hyper-parameters are those of `manifest`.
        """
        check_model_name(model)
        for _ in range(LOST_RACES):
            known = self._versions(self._context_if_known(model))
            version = with_digest(known, tree_digest)
            if version is not None:
                return version, False
            draft = next_version(
                known, model=model, tree_digest=tree_digest, served=served, manifest=manifest, source=source, run=run
            )
            model_id = self._put_version(draft)
            if model_id is not None:
                return self.by_id(model_id), True
        raise _too_many_races(model)

    def models(self) -> list[RegisteredModel]:
        """All models, by name."""
        found = map(mapping.context_to_model, self._store.call("get_contexts_by_type", mapping.MODEL))
        return sorted(found, key=lambda model: model.name)

    def model(self, name: str) -> RegisteredModel:
        """Raises NoSuchModel, with the names that exist."""
        return mapping.context_to_model(self._context(name))

    def versions(self, model: str) -> list[ModelVersion]:
        """All versions of a model but the deleted ones, oldest first. Raises NoSuchModel."""
        return [version for version in self._versions(self._context(model)) if version.deleted is None]

    def find_versions(self, query: str, limit: int | None = None, *, newest_first: bool = False) -> list[ModelVersion]:
        """Versions of all models, deleted ones too, that meet a query of `mlmd_query`, by model id."""
        found = self._store.find("artifacts", query, limit, newest_first=newest_first)
        return [mapping.artifact_to_version(artifact) for artifact in found]

    def ledgers(self) -> dict[str, list[StageMove]]:
        """The ledgers of all models that have one, by name, each oldest first."""
        found: dict[str, list[StageMove]] = {}
        for execution in self._store.call("get_executions_by_type", mapping.MOVE):
            move = mapping.execution_to_move(execution)
            found.setdefault(move.model, []).append(move)
        return {model: sorted(moves, key=lambda move: move.seq) for model, moves in sorted(found.items())}

    def version(self, model: str, version: int) -> ModelVersion:
        """Raises NoSuchModel or NoSuchVersion, with what exists, or with who deleted it when and why."""
        return check_not_deleted(self.any_version(model, version))

    def any_version(self, model: str, version: int) -> ModelVersion:
        """As `version`, also a deleted one: for who asks about the past."""
        name = mapping.version_name(model, version)
        known_name = is_model_name(model)
        artifact = self._store.call("get_artifact_by_type_and_name", mapping.VERSION, name) if known_name else None
        if artifact is None:
            known = ", ".join(str(found.version) for found in self.versions(model)[-20:])
            raise NoSuchVersion(f"no version {version} of {model!r}; known: {known}", model=model, version=version)
        return mapping.artifact_to_version(artifact)

    def by_id(self, model_id: int) -> ModelVersion:
        """Raises NoSuchVersion, also for a deleted version and the id of something that is not a version."""
        return check_not_deleted(self.any_by_id(model_id))

    def any_by_id(self, model_id: int) -> ModelVersion:
        """As `by_id`, also a deleted one."""
        return mapping.artifact_to_version(self._version_artifact(model_id))

    def _version_artifact(self, model_id: int) -> Artifact:
        for artifact in self._store.call("get_artifacts_by_id", [model_id]):
            if artifact.type_id == self._types.version:
                return artifact
        raise NoSuchVersion(f"no version has model id {model_id}", model_id=model_id)

    def move_stage(
        self,
        model: str,
        version: int,
        to: Stage,
        environment: str = "local",
        *,
        expect_production: Expectation = ANY,
        expect_staging: Expectation = ANY,
        who: str = "",
        run: str = "",
        why: str = "",
    ) -> StageMove:
        """Append the move to the ledger and return the entry; of a version that is there already, the one that put it.

        Errors as of `rules.next_move`. A race lost to another writer is decided again on what that one left: with an
        expectation it ends in Conflict.
        """
        moved = self.version(model, version)
        for _ in range(LOST_RACES):
            ledger = self.ledger(model)
            move = rules.next_move(
                ledger,
                model=model,
                version=version,
                to=to,
                environment=environment,
                expect_production=expect_production,
                expect_staging=expect_staging,
                author=Author(who, run, why),
                at_ms=_now_ms(),
            )
            if move is None:
                return rules.entry_that_put(ledger, environment, version)
            if self._append(move, moved.model_id):
                return move
        raise _too_many_races(model)

    def delete(
        self, model: str, version: int, *, force: bool = False, who: str = "", run: str = "", why: str = ""
    ) -> StageMove:
        """End the version in all environments: one ledger entry, which the version keeps too. Again: the same entry.

        It is hidden from lists and look-ups from now on; evidence and dossier stay. Errors as of `deletion`.
        """
        ended = self.any_version(model, version)
        for _ in range(LOST_RACES):
            ledger = self.ledger(model)
            move = deletion(
                ledger, model=model, version=version, force=force, author=Author(who, run, why), at_ms=_now_ms()
            )
            if move is None:
                return next(found for found in ledger if found.version == version and found.to_stage == "Deleted")
            if self._append_deletion(move, ended.model_id):
                return move
        raise _too_many_races(model)

    def ledger(self, model: str) -> list[StageMove]:
        """The model's stage moves of all environments, oldest first. Raises NoSuchModel."""
        executions = self._store.call("get_executions_by_context", self._context(model).id)
        moves = [mapping.execution_to_move(found) for found in executions if found.type_id == self._types.move]
        return sorted(moves, key=lambda move: move.seq)

    def moves_of(self, versions: Sequence[ModelVersion]) -> list[StageMove]:
        """The entries of all ledgers that moved or displaced one of these versions, oldest first in each ledger."""
        ids = [version.model_id for version in versions]
        readers = mapping.readers_of(self._store.call("get_events_by_artifact_ids", ids)) if ids else set()
        executions = self._store.call("get_executions_by_id", sorted(readers)) if readers else []
        moves = [mapping.execution_to_move(found) for found in executions if found.type_id == self._types.move]
        return sorted(moves, key=lambda move: (move.model, move.seq))

    def newest_entry(self) -> int:
        """As long as this number is the same, no version was registered and no ledger grew, whoever writes."""
        return self._store.newest_execution()

    def add_evidence(self, model_id: int, kind: str, key: str, run: str, document: dict[str, Any]) -> Evidence:
        """Keep a document about a version. The same kind, run and key again replaces the document and keeps its id.

        Raises NoSuchVersion, and Refused for a document that JSON cannot say.
        """
        mapping.check_kind(kind)
        name = mapping.evidence_name(self.by_id(model_id), kind, run, key)
        evidence = Evidence(id=0, model_id=model_id, kind=kind, key=key, run=run, at_ms=_now_ms(), document=document)
        artifact = mapping.evidence_to_artifact(evidence, name, self._types.evidence)
        made = self._put_evidence(evidence, artifact)
        return evidence.model_copy(update={"id": self._replace(artifact) if made is None else made})

    def evidence(self, model_id: int, kind: str | None = None) -> list[Evidence]:
        """The documents about a version, newest first; with `kind`, only those of that step. Raises NoSuchVersion."""
        self.any_by_id(model_id)
        readers = mapping.readers_of(self._store.call("get_events_by_artifact_ids", [model_id]))
        events = self._store.call("get_events_by_execution_ids", readers) if readers else []
        written = mapping.written_by(events)
        artifacts = self._store.call("get_artifacts_by_id", written) if written else []
        found = [evidence for evidence in map(mapping.artifact_to_evidence, artifacts) if kind in (None, evidence.kind)]
        return sorted(found, key=lambda evidence: (evidence.at_ms, evidence.id), reverse=True)

    @cached_property
    def _types(self) -> _Types:
        return _Types(
            self._store.type_id("context", mapping.MODEL, {}),
            self._store.type_id("artifact", mapping.VERSION, mapping.VERSION_PROPERTIES),
            self._store.type_id("artifact", mapping.EVIDENCE, mapping.EVIDENCE_PROPERTIES),
            self._store.type_id("artifact", mapping.UPLOAD, mapping.UPLOAD_PROPERTIES),
            self._store.type_id("execution", mapping.MOVE, mapping.MOVE_PROPERTIES),
            self._store.type_id("execution", mapping.REGISTRATION, mapping.REGISTRATION_PROPERTIES),
        )

    def _put_version(self, version: ModelVersion) -> int | None:
        """Its model id, or None when the number was taken meanwhile. The first version brings the model with it."""
        types = self._types
        return self._store.put_new(
            executions=[mapping.version_to_registration(version, types.registration)],
            artifacts=[
                mapping.version_to_artifact(version, types.version),
                mapping.version_to_upload(version, types.upload),
            ],
            contexts=[self._new_context(version.model)],
            edges=[mapping.writes("version"), mapping.reads_new("upload", 1)],
        )

    def _append(self, move: StageMove, model_id: int) -> bool:
        """Whether the move got its place in the ledger; False when another one took the number."""
        reads = [mapping.reads("version", model_id)]
        if move.displaced is not None:
            reads.append(mapping.reads("displaced", self.version(move.model, move.displaced).model_id))
        execution = mapping.move_to_execution(move, self._types.move)
        contexts = [self._new_context(move.model)]
        return self._store.put_new(executions=[execution], contexts=contexts, edges=reads) is not None

    def _append_deletion(self, move: StageMove, model_id: int) -> bool:
        """As `_append`, and the version's own mark with it in one transaction."""
        artifact = self._version_artifact(model_id)
        mapping.mark_deleted(artifact, move)
        execution = mapping.move_to_execution(move, self._types.move)
        made = self._store.put_new(
            executions=[execution],
            artifacts=[artifact],
            contexts=[self._new_context(move.model)],
            edges=[mapping.reads("version", model_id)],
        )
        return made is not None

    def _put_evidence(self, evidence: Evidence, artifact: Artifact) -> int | None:
        step_type = self._store.type_id("execution", evidence.kind, mapping.STEP_PROPERTIES)
        step = mapping.evidence_to_step(evidence, artifact.name, step_type)
        edges = [mapping.reads("version", evidence.model_id), mapping.writes("document")]
        return self._store.put_new(executions=[step], artifacts=[artifact], edges=edges)

    def _replace(self, artifact: Artifact) -> int:
        """Put the artifact in the place of the one that has its type and name."""
        artifact.id = self._store.call("get_artifact_by_type_and_name", mapping.EVIDENCE, artifact.name).id
        self._store.call("put_artifacts", [artifact])
        return int(artifact.id)

    def _versions(self, context: Context | None) -> list[ModelVersion]:
        artifacts = self._store.call("get_artifacts_by_context", context.id) if context else []
        versions = [mapping.artifact_to_version(found) for found in artifacts if found.type_id == self._types.version]
        return sorted(versions, key=lambda version: version.version)

    def _context(self, model: str) -> Context:
        context = self._context_if_known(model)
        if context is None:
            known = ", ".join(found.name for found in self.models()[:20]) or "none yet"
            raise NoSuchModel(f"no model {model!r}; known: {known}", model=model)
        return context

    def _context_if_known(self, model: str) -> Context | None:
        return self._store.call("get_context_by_type_and_name", mapping.MODEL, model) if is_model_name(model) else None

    def _new_context(self, model: str) -> Context:
        return mapping.model_to_context(model, self._types.model)


def _too_many_races(model: str) -> SeatrialError:
    return SeatrialError(f"{model}: {LOST_RACES} lost races in a row: the registry's store contradicts itself")


def _now_ms() -> int:
    return int(time.time() * 1000)
