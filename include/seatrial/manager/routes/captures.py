"""Captured live requests, as clients send them and replays read them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import HIGHEST_VERSION, Manager, ModelName

router = APIRouter(tags=["captures"], route_class=GuardedRoute)


@router.post("/models/{model}/captures", status_code=202)
async def add(
    model: ModelName,
    request: Request,
    manager: Manager,
    seatrial_version: Annotated[int, Header(ge=1, le=HIGHEST_VERSION)],
) -> dict[str, str]:
    data = await request.body()

    def keep() -> str:
        manager.registry.version(model, seatrial_version)
        return manager.captures.add(model, seatrial_version, data)

    return {"id": await run_in_threadpool(keep)}


@router.get("/models/{model}/captures")
def newest(
    model: ModelName, manager: Manager, limit: Annotated[int, Query(ge=1, le=5000)] = 500
) -> dict[str, list[dict[str, Any]]]:
    manager.registry.model(model)
    return {"captures": [asdict(capture) for capture in manager.captures.newest(model, limit)]}


@router.get("/models/{model}/captures/{capture_id}")
def read(model: ModelName, capture_id: str, manager: Manager) -> Response:
    manager.registry.model(model)
    return Response(manager.captures.read(model, capture_id), media_type="application/octet-stream")
