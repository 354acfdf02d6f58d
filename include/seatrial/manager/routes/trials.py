"""Trial servers: throw-away Inference Servers under a lease, for checks and measurements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Path as InPath
from pydantic import Field

from seatrial.errors import NotFound, Refused
from seatrial.hardware import HardwareOption
from seatrial.manager.composition import InferenceManager
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import HIGHEST_ID, Body, Manager, UploadName, Word
from seatrial.registry.entities import ModelVersion
from seatrial.served_model import ServedModel
from seatrial.serving.spec import Replica
from seatrial.serving.triton_repository import CopyFiles
from seatrial.uploads.source import Upload

TrialId = Annotated[str, InPath(max_length=100, description="A trial server's id.", examples=["trial-3f9a"])]

router = APIRouter(tags=["trial servers"], route_class=GuardedRoute)


Lease = Annotated[
    float, Field(ge=1, le=3600, description="Seconds until the server is removed, unless the lease is renewed.")
]  # not less: it would be removed while it is being started


class TrialRequest(Body):
    """A trial of an upload (its folder, files verified by digest) or of a registered version (its model id)."""

    served: ServedModel
    option: HardwareOption
    upload: UploadName | None = None
    model_id: Annotated[int, Field(ge=1, le=HIGHEST_ID)] | None = None
    lease_s: Lease = 60.0
    purpose: Word
    measured: Annotated[bool, Field(description="It shares neither core nor GPU with another measured server.")] = False


class LeaseRequest(Body):
    lease_s: Lease = 60.0


@router.post("/trial-servers", status_code=201)
def start(wanted: TrialRequest, manager: Manager) -> Replica:
    """Start a trial server. One with the same purpose is stopped first: who asks again has lost it."""
    source = _source(manager, wanted)
    for record in manager.backend.records().values():
        if record.owner is None and record.purpose == wanted.purpose:
            manager.backend.stop(record.id)
    trial = manager.backend.start_replica(
        wanted.served, wanted.option, wanted.purpose, source, lease_s=wanted.lease_s, measured=wanted.measured
    )
    return manager.backend.observe(trial)


@router.get("/trial-servers/{trial_id}")
def show(trial_id: TrialId, manager: Manager) -> Replica:
    return manager.backend.observe(trial_id)


@router.put("/trial-servers/{trial_id}/lease")
def renew(trial_id: TrialId, wanted: LeaseRequest, manager: Manager) -> Replica:
    manager.backend.renew(trial_id, wanted.lease_s)
    return manager.backend.observe(trial_id)


@router.delete("/trial-servers/{trial_id}", status_code=204)
def stop(trial_id: TrialId, manager: Manager) -> Response:
    """Answers when the server is gone; a server that is gone already is no error."""
    manager.backend.stop(trial_id)
    return Response(status_code=204)


def _check_files(version: ModelVersion, files: Mapping[str, str]) -> None:
    """Raise NotFound for the first file that the version does not have with these bytes."""
    for path, digest in files.items():
        if version.served.files.get(path) != digest:
            name = f"{version.model}@{version.version}"
            raise NotFound(f"{name} serves no file {path[:100]!r} of digest {digest[:64]!r}", file=path)


def _source(manager: InferenceManager, wanted: TrialRequest) -> CopyFiles:
    """Copies the model's files into a folder, each verified against its digest."""
    if (wanted.upload is None) == (wanted.model_id is None):
        raise Refused("a trial is of an upload or of a model_id: exactly one of them", field="upload")
    if wanted.model_id is not None:
        _check_files(manager.registry.by_id(wanted.model_id), wanted.served.files)
        return manager.artifacts.copy_to
    assert wanted.upload is not None
    return Upload.at(manager.uploads, wanted.upload).source.copy_all
