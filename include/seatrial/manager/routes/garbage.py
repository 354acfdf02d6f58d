"""Garbage collection of the artifact store."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from seatrial.manager.guard import GuardedRoute
from seatrial.manager.needs import needed_digests
from seatrial.manager.routes.common import Manager
from seatrial.storage.garbage import GRACE_S, collect

router = APIRouter(tags=["garbage"], route_class=GuardedRoute)
log = logging.getLogger(__name__)


@router.post("/artifacts/garbage-collections")
def collect_garbage(manager: Manager, dry_run: bool = False) -> dict[str, Any]:
    """Remove the files that no version, evidence, server or deployment needs, and what stopped writers left behind.

    Nothing that was put within the last hour is removed. Safe at any time, beside registrations too.
    """
    removed = collect(manager.artifacts, lambda: needed_digests(manager), dry_run=dry_run)
    size = sum(one.bytes for one in removed)
    if removed and not dry_run:
        log.warning("garbage collection: %d files removed, %d bytes", len(removed), size)
    return {"dry_run": dry_run, "grace_s": GRACE_S, "removed": [asdict(one) for one in removed], "bytes": size}
