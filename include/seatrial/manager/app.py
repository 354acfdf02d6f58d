"""The Inference Manager's HTTP API: routes, problem documents (RFC 9457), the guard before them. No rule lives here."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from seatrial import __version__
from seatrial.errors import Forbidden, SeatrialError, TryAgain, to_problem
from seatrial.manager.answers import Answers
from seatrial.manager.audit import Audit
from seatrial.manager.composition import InferenceManager
from seatrial.manager.guard import Guard, GuardedRoute
from seatrial.manager.openapi import document
from seatrial.manager.roles import PREFIX
from seatrial.manager.routes import (
    archive,
    captures,
    deletions,
    deployments,
    discovery,
    dossiers,
    garbage,
    health,
    listings,
    models,
    scaling,
    trials,
    versions,
)
from seatrial.manager.tokens import Tokens

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
RETRY_AFTER_S = 2  # a store or server that restarts takes about as long
PARTS = (
    health,
    listings,
    garbage,
    archive,
    deletions,
    dossiers,
    models,
    versions,
    deployments,
    trials,
    captures,
    scaling,
    discovery,
)


class Problem(BaseModel):
    """What every error is answered with (RFC 9457), and the error's own facts beside it."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:seatrial:no-such-model",
                    "title": "no such model",
                    "status": 404,
                    "detail": "no model 'pitsh'; known: pitch",
                    "model": "pitsh",
                }
            ]
        },
    )

    type: str = Field(description="urn:seatrial: and a word that says what to do next.")
    title: str
    status: int
    detail: str = Field(description="One line for a person.")


def build_app(manager: InferenceManager, tokens: Tokens | None) -> FastAPI:
    """The application around a manager; starting and stopping the application starts and stops the manager.

    `tokens=None` asks for no token.
    """
    state = manager.settings.home / "manager"
    guard = Guard(tokens, Audit(state / "audit.jsonl"), Answers(state / "answers"))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        manager.start()
        try:
            yield
        finally:
            manager.stop()
            guard.audit.close()

    app = FastAPI(title="Seatrial Inference Manager", version=__version__, lifespan=lifespan, redirect_slashes=False)
    app.state.manager = manager
    app.state.guard = guard
    responses: dict[int | str, dict[str, Any]] = {
        "default": {
            "description": "An error: a problem document.",
            "content": {PROBLEM: {"schema": Problem.model_json_schema()}},
        }
    }
    shown = [Depends(HTTPBearer(auto_error=False, description="Made by `seatrial tokens create`."))]
    for part in PARTS:
        if not all(isinstance(route, GuardedRoute) for route in part.router.routes):
            raise TypeError(f"{part.__name__} needs APIRouter(route_class=GuardedRoute): it would be open to everyone")
        app.include_router(part.router, prefix=PREFIX, dependencies=shown, responses=responses)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    app.add_exception_handler(SeatrialError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    return app


def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SeatrialError)
    level = logging.WARNING if error.status >= 500 else logging.INFO
    log.log(level, "%s %s: %s", request.method, request.url.path, error)
    headers: dict[str, str] = {}
    if isinstance(error, TryAgain):
        headers["Retry-After"] = str(error.fields.get("retry_after_s", RETRY_AFTER_S))
    if isinstance(error, Forbidden) and error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="seatrial"'
    return JSONResponse(to_problem(error), error.status, headers, PROBLEM)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    limits = {name: value for name, value in first.get("ctx", {}).items() if isinstance(value, int | float | str)}
    return _answer(422, "refused", f"{field}: {first['msg']}", field=field, **({"limit": limits} if limits else {}))


def _http(request: Request, error: Exception) -> JSONResponse:
    """Paths and methods that are not there, and bodies that are no JSON."""
    assert isinstance(error, HTTPException)
    code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
    answer = _answer(error.status_code, code, f"{request.method} {request.url.path[:200]}: {error.detail}")
    answer.headers.update(error.headers or {})
    return answer


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    return _answer(500, "error", "the manager failed; its log says where")


def _answer(status: int, code: str, detail: str, **fields: Any) -> JSONResponse:
    document = {
        "type": f"urn:seatrial:{code}",
        "title": code.replace("-", " "),
        "status": status,
        "detail": detail,
        **fields,
    }
    return JSONResponse(document, status, media_type=PROBLEM)
