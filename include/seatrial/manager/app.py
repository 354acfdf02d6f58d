"""The Inference Manager's HTTP API: routes, problem documents (RFC 9457), the bearer token. No rule lives here."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from seatrial import __version__
from seatrial.errors import SeatrialError, to_problem
from seatrial.manager.auth import TokenCheck
from seatrial.manager.composition import InferenceManager
from seatrial.manager.routes import (
    captures,
    deployments,
    discovery,
    health,
    listings,
    models,
    scaling,
    trials,
    versions,
)

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"


def build_app(manager: InferenceManager, token: str | None) -> FastAPI:
    """The application around a manager; starting and stopping the application starts and stops the manager."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        manager.start()
        try:
            yield
        finally:
            manager.stop()

    app = FastAPI(title="Seatrial Inference Manager", version=__version__, lifespan=lifespan)
    app.state.manager = manager
    guarded = [Depends(TokenCheck(token))]
    for part in (health, listings, models, versions, deployments, trials, captures, scaling, discovery):
        app.include_router(part.router, prefix="/v1", dependencies=guarded)
    app.add_exception_handler(SeatrialError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SeatrialError)
    level = logging.WARNING if error.status >= 500 else logging.INFO
    log.log(level, "%s %s: %s", request.method, request.url.path, error)
    return JSONResponse(to_problem(error), status_code=error.status, media_type=PROBLEM)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    problem = {
        "type": "urn:seatrial:refused",
        "title": "refused",
        "status": 422,
        "detail": f"{field}: {first['msg']}",
        "field": field,
    }
    return JSONResponse(problem, status_code=422, media_type=PROBLEM)
