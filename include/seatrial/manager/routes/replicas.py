"""Inference Servers by their own id, of deployments and on trial alike: what their logs say."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import Field

from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import Answer, Manager

LINES = 10_000

ReplicaId = Annotated[str, InPath(max_length=100, description="A replica's id.", examples=["pitch-2-3f9a1b2c"])]

router = APIRouter(tags=["deployments"], route_class=GuardedRoute)


class ReplicaLog(Answer):
    id: str
    lines: list[str] = Field(description="Oldest first, without control characters: a model may have written them.")


@router.get("/replicas/{replica_id}/log")
def show_log(replica_id: ReplicaId, manager: Manager, lines: Annotated[int, Query(ge=1, le=LINES)] = 100) -> ReplicaLog:
    """The last lines as they are now; ask again for newer ones."""
    return ReplicaLog(id=replica_id, lines=list(manager.backend.log_tail(replica_id, lines)))
