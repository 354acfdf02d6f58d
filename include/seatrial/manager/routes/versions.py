"""Model versions, their files and the evidence behind them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from seatrial.errors import NotFound
from seatrial.formats.check import CheckReport
from seatrial.manager.routes.common import Body, Manager, upload_folder, version_document
from seatrial.registry.entities import Evidence

router = APIRouter(tags=["versions"])


class Registration(Body):
    """`report` is what CheckFormat found; the files must still have the digests that it names."""

    upload: str
    report: CheckReport
    run: str = ""


class EvidenceRequest(Body):
    kind: str
    key: str
    run: str
    document: dict[str, Any]


@router.post("/models/{model}/versions", status_code=201)
def register(model: str, wanted: Registration, manager: Manager, response: Response) -> dict[str, Any]:
    """Copy the upload's files into the artifact store and register them; the same files again are the same version."""
    digest = manager.artifacts.put(upload_folder(manager, wanted.upload), wanted.report.files)
    version, created = manager.registry.register(
        model,
        tree_digest=digest,
        served=wanted.report.served,
        manifest=wanted.report.manifest.model_dump(mode="json"),
        source=wanted.upload,
        run=wanted.run,
    )
    manager.registry.add_evidence(
        version.model_id, "CheckFormat", "report", wanted.run, wanted.report.model_dump(mode="json")
    )
    response.status_code = 201 if created else 200
    return {"version": version_document(manager, version), "created": created}


@router.get("/models/{model}/versions/{number}")
def show_version(model: str, number: int, manager: Manager) -> dict[str, Any]:
    return version_document(manager, manager.registry.version(model, number))


@router.get("/versions/{model_id}")
def show_by_id(model_id: int, manager: Manager) -> dict[str, Any]:
    return version_document(manager, manager.registry.by_id(model_id))


@router.get("/versions/{model_id}/files/{path:path}")
def read_file(model_id: int, path: str, manager: Manager) -> Response:
    version = manager.registry.by_id(model_id)
    if path not in manager.artifacts.files(version.tree_digest):
        raise NotFound(f"{version.model}@{version.version} has no file {path!r}", file=path)
    return Response(manager.artifacts.read(version.tree_digest, path), media_type="application/octet-stream")


@router.post("/versions/{model_id}/evidence", status_code=201)
def add_evidence(model_id: int, wanted: EvidenceRequest, manager: Manager) -> Evidence:
    """Keep one document. The same kind, run and key again replaces it: a retried step tells the truth once."""
    manager.registry.by_id(model_id)
    return manager.registry.add_evidence(model_id, wanted.kind, wanted.key, wanted.run, wanted.document)


@router.get("/versions/{model_id}/evidence")
def show_evidence(model_id: int, manager: Manager, kind: str | None = None) -> dict[str, list[Evidence]]:
    manager.registry.by_id(model_id)
    return {"evidence": manager.registry.evidence(model_id, kind)}
