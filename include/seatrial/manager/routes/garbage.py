"""Garbage collection of the artifact store."""

from __future__ import annotations

import logging

from fastapi import APIRouter

from seatrial.manager.guard import GuardedRoute
from seatrial.manager.needs import needed_digests
from seatrial.manager.routes.common import Answer, Manager
from seatrial.storage.garbage import GRACE_S, Removal, collect

router = APIRouter(tags=["garbage"], route_class=GuardedRoute)
log = logging.getLogger(__name__)


class GarbageCollection(Answer):
    """`removed` are the files that went, or on a dry run would go; `bytes` is their size together."""

    dry_run: bool
    grace_s: float
    removed: list[Removal]
    bytes: int


@router.post("/artifacts/garbage-collections")
def collect_garbage(manager: Manager, dry_run: bool = False) -> GarbageCollection:
    """Remove the files that no version, evidence, server or deployment needs, and what stopped writers left behind.

    Nothing that was put within the last hour is removed. Safe at any time, beside registrations too.
    """
    removed = collect(manager.artifacts, lambda: needed_digests(manager), dry_run=dry_run)
    size = sum(one.bytes for one in removed)
    if removed and not dry_run:
        log.warning("garbage collection: %d files removed, %d bytes", len(removed), size)
    return GarbageCollection(dry_run=dry_run, grace_s=GRACE_S, removed=removed, bytes=size)
