"""The whole registry as one file, out of a manager and into an empty one. Files of the artifact store are not in it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from typing import BinaryIO

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from seatrial.errors import Conflict
from seatrial.manager.composition import InferenceManager
from seatrial.manager.guard import GuardedRoute, bounded_parts
from seatrial.manager.routes.common import Answer, Manager
from seatrial.registry import archive
from seatrial.registry.mlmd_restore import check, everything, restore
from seatrial.storage.local import digest_stream

router = APIRouter(tags=["export and import"], route_class=GuardedRoute)

LONGEST_LINE = 256 * 2**20
IMPORT_LIMIT = 16 * 2**30
"""Bytes of a file on the manager's disk. 1000 models of 10 versions with their evidence take 0.4 GB in SQLite."""
_importing = threading.Lock()


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"example": '{"line": "header", "schema": 1}'}}}},
)
def export_all(manager: Manager) -> StreamingResponse:
    """Models, versions, evidence and stage moves as JSON lines; the last line tells a whole file from a cut-off one."""
    return StreamingResponse(archive.write(everything(manager.registry)), media_type="application/x-ndjson")


class Imported(Answer):
    """How many of each were written."""

    models: int
    versions: int
    evidence: int
    moves: int


@router.post("/import", status_code=201)
async def import_all(manager: Manager, request: Request) -> Imported:
    """Write an exported file into an empty registry, with its model ids and times; how many of each.

    Nothing is written before all of the file was read and found whole. A manager that is stopped half way goes on when
    the same file is sent again.
    """
    with tempfile.TemporaryFile(dir=manager.settings.home / "manager") as file:
        async for part in bounded_parts(request, IMPORT_LIMIT):
            await run_in_threadpool(file.write, part)
        return await run_in_threadpool(_import, manager, file)


def _import(manager: InferenceManager, file: BinaryIO) -> Imported:
    if not _importing.acquire(blocking=False):
        raise Conflict("an import is under way")
    try:
        check(archive.read(_lines(file)))
        file.seek(0)
        digest = digest_stream(file)
        counts = restore(manager.registry, archive.read(_lines(file)), digest)
    finally:
        _importing.release()
    manager.news.changed()
    return Imported.model_validate(counts)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while line := file.readline(LONGEST_LINE):
        yield line
