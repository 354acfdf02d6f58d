"""GET /v1/discovery: where every model runs; waits for news when the caller knows the present answer already."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from seatrial.manager.composition import InferenceManager
from seatrial.manager.discovery import DiscoveryDocument, etag, model_entry
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import Manager, ModelName
from seatrial.registry.rules import current
from seatrial.serving.deployments import Endpoint

router = APIRouter(tags=["discovery"], route_class=GuardedRoute)


@router.get("/discovery", response_model=DiscoveryDocument)
async def discover(
    manager: Manager,
    wait_s: Annotated[float, Query(ge=0, le=60)] = 0.0,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The document with its ETag; 304 when `wait_s` passed and nothing is new."""
    until = time.monotonic() + wait_s
    while True:
        seen = manager.news.revision
        document = await run_in_threadpool(_document, manager)
        tag = etag(document)
        if tag != if_none_match:
            return JSONResponse(document, headers={"ETag": tag})
        left = until - time.monotonic()
        if left <= 0 or not await manager.news.wait_past(seen, left):
            return Response(status_code=304, headers={"ETag": tag})


def _document(manager: InferenceManager) -> dict[str, Any]:
    serving: dict[str, dict[str, dict[int, tuple[Endpoint, ...]]]] = {}
    for deployment in manager.deployments.all():
        spec = deployment.spec
        by_version = serving.setdefault(spec.served.name, {}).setdefault(spec.environment, {})
        by_version[spec.served.version] = tuple(manager.deployments.endpoints(spec.model_id, spec.environment))
    models = {model.name: _entry(manager, model.name, serving.get(model.name)) for model in manager.registry.models()}
    return {"models": models}


def _entry(
    manager: InferenceManager, model: ModelName, serving: dict[str, dict[int, tuple[Endpoint, ...]]] | None
) -> dict[str, Any]:
    """Of a model that runs nowhere only the name is told: a registry has thousands, and this is read at each change."""
    if serving is None:
        return model_entry((), {})
    moves = manager.registry.ledger(model)
    here = {"local", *(move.environment for move in moves), *serving}
    environments = {name: (current(moves, name), serving.get(name, {})) for name in sorted(here)}
    told = {number for stages, running in environments.values() for number in (*running, stages.production)}
    versions = [manager.registry.version(model, number) for number in told if number is not None]
    return model_entry(versions, environments)
