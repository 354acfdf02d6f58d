"""Model versions, their files and the evidence behind them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from seatrial.errors import NotFound, Refused
from seatrial.formats.check import CheckReport
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.policies import PUSHED
from seatrial.manager.registration import keep_upload
from seatrial.manager.routes.common import (
    Answer,
    Body,
    Manager,
    ModelId,
    ModelName,
    RunId,
    UploadName,
    VersionDocument,
    VersionNumber,
    Word,
    version_document,
)
from seatrial.manager.watch import KIND as WATCH
from seatrial.registry.entities import Evidence
from seatrial.registry.rules import Ledger
from seatrial.uploads.source import Upload

router = APIRouter(tags=["versions"], route_class=GuardedRoute)


WRITTEN_BY = {PUSHED: "PUT /models/…/scaling-policy", WATCH: "the manager's own watch"}
"""Kinds of evidence that something rests on: nobody may write them past the checks."""


class Registration(Body):
    """`report` is what CheckFormat found; `manager/registration.py` says what of it is verified, and what believed."""

    upload: UploadName
    report: CheckReport
    run: RunId = ""


class EvidenceRequest(Body):
    kind: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]{0,62}$", examples=["ShadowValidate"])]
    key: Annotated[Word, Field(examples=["report"])]
    run: RunId
    document: dict[str, Any]


class Registered(Answer):
    """`created` is false for files that were registered before."""

    version: VersionDocument
    created: bool


class Size(Answer):
    """Of the files that a server needs; null where the artifact store lacks one."""

    model_bytes: int | None


class EvidenceList(Answer):
    """Newest first."""

    evidence: list[Evidence]


@router.post("/models/{model}/versions", status_code=201)
def register(model: ModelName, wanted: Registration, manager: Manager, response: Response) -> Registered:
    """Copy the upload's files into the artifact store and register them; the same files again are the same version."""
    upload = Upload.at(manager.uploads, wanted.upload)
    digest = keep_upload(manager, model, upload, wanted.report)
    version, created = manager.registry.register(
        model,
        tree_digest=digest,
        served=wanted.report.served,
        manifest=wanted.report.manifest.model_dump(mode="json"),
        source=upload.name,
        run=wanted.run,
    )
    manager.registry.add_evidence(
        version.model_id, "CheckFormat", "report", wanted.run, wanted.report.model_dump(mode="json")
    )
    response.status_code = 201 if created else 200
    ledger: Ledger | None = () if created else None  # a new version was never moved
    return Registered(version=version_document(manager, version, ledger), created=created)


@router.get("/models/{model}/versions/{number}")
def show_version(model: ModelName, number: VersionNumber, manager: Manager) -> VersionDocument:
    return version_document(manager, manager.registry.version(model, number))


@router.get("/versions/{model_id}")
def show_by_id(model_id: ModelId, manager: Manager) -> VersionDocument:
    return version_document(manager, manager.registry.by_id(model_id))


@router.get("/versions/{model_id}/files/{path:path}")
def read_file(model_id: ModelId, path: str, manager: Manager) -> Response:
    version = manager.registry.by_id(model_id)
    if path not in manager.artifacts.files(version.tree_digest):
        raise NotFound(f"{version.model}@{version.version} has no file {path!r}", file=path)
    return Response(manager.artifacts.read(version.tree_digest, path), media_type="application/octet-stream")


@router.get("/versions/{model_id}/size")
def show_size(model_id: ModelId, manager: Manager) -> Size:
    return Size(model_bytes=manager.artifacts.bytes_of(manager.registry.by_id(model_id).served.files.values()))


@router.post("/versions/{model_id}/evidence", status_code=201)
def add_evidence(model_id: ModelId, wanted: EvidenceRequest, manager: Manager) -> Evidence:
    """Keep one document. The same kind, run and key again replaces it: a retried step tells the truth once."""
    writer = WRITTEN_BY.get(wanted.kind)
    if writer is not None:
        raise Refused(f"kind: {wanted.kind} is written by {writer} only", field="kind", value=wanted.kind)
    manager.registry.by_id(model_id)
    return manager.registry.add_evidence(model_id, wanted.kind, wanted.key, wanted.run, wanted.document)


@router.get("/versions/{model_id}/evidence")
def show_evidence(
    model_id: ModelId, manager: Manager, kind: Annotated[str, Query(max_length=63)] | None = None
) -> EvidenceList:
    manager.registry.by_id(model_id)
    return EvidenceList(evidence=manager.registry.evidence(model_id, kind))
