"""Captured live requests, as clients send them and replays read them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from seatrial.manager.captures import Capture
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import HIGHEST_VERSION, Answer, Manager, ModelName

router = APIRouter(tags=["captures"], route_class=GuardedRoute)


class Kept(Answer):
    """`id` is null where the sample, which is as fair to this hour as to any of the day, has no place for it."""

    id: str | None


class Removed(Answer):
    removed: int


class Captures(Answer):
    captures: list[Capture]


@router.post("/models/{model}/captures", status_code=202)
async def add(
    model: ModelName,
    request: Request,
    manager: Manager,
    seatrial_version: Annotated[int, Header(ge=1, le=HIGHEST_VERSION)],
) -> Kept:
    data = await request.body()

    def keep() -> str | None:
        rule = manager.registry.version(model, seatrial_version).manifest.get("capture", {})
        return manager.captures.add(model, seatrial_version, data, rule.get("without", ()))

    return Kept(id=await run_in_threadpool(keep))


@router.get("/models/{model}/captures")
def newest(model: ModelName, manager: Manager, limit: Annotated[int, Query(ge=1, le=5000)] = 500) -> Captures:
    manager.registry.model(model)
    return Captures(captures=manager.captures.newest(model, limit))


@router.get("/models/{model}/captures/{capture_id}")
def read(model: ModelName, capture_id: str, manager: Manager) -> Response:
    manager.registry.model(model)
    return Response(manager.captures.read(model, capture_id), media_type="application/octet-stream")


@router.put("/models/{model}/captures/{capture_id}/aside", status_code=204)
def keep_aside(model: ModelName, capture_id: str, manager: Manager) -> None:
    """Keep one for a month, for who must find out why it was answered otherwise. Again: nothing more."""
    manager.registry.model(model)
    manager.captures.keep_aside(model, capture_id)


@router.delete("/models/{model}/captures")
def remove(model: ModelName, manager: Manager) -> Removed:
    """Remove every captured request of a model, those kept aside too."""
    manager.registry.model(model)
    return Removed(removed=manager.captures.remove(model))
