"""The Inference Manager's HTTP API, put together: routes, guard, problem documents. No rule lives here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from seatrial import __version__
from seatrial.manager.answers import Answers
from seatrial.manager.audit import Audit
from seatrial.manager.composition import InferenceManager
from seatrial.manager.guard import JSON_LIMIT, Guard, GuardedRoute
from seatrial.manager.long_polls import LongPolls
from seatrial.manager.openapi import document
from seatrial.manager.problems import HANDLERS, PROBLEM, Problem
from seatrial.manager.relay import AT_ONCE
from seatrial.manager.roles import OPEN_INFERENCE, PREFIX
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
    metrics,
    models,
    open_inference,
    replicas,
    scaling,
    trials,
    versions,
)
from seatrial.manager.tokens import Tokens
from seatrial.strict_json import DEEPEST

DESCRIPTION = f"""Where models run, what was moved to which stage by whom and why, and what that rested on.

Bodies are JSON of at most {JSON_LIMIT // 2**20} MiB, {DEEPEST} levels and finite numbers. What a route does not know,
a field or a query parameter, is refused. With `Idempotency-Key` a POST, PUT or DELETE that is sent again gets the
answer of the first one. `If-None-Match` with the `ETag` of an earlier answer gets 304 while nothing has changed. Every
error is a problem document (RFC 9457).

`{OPEN_INFERENCE}` is the Open Inference Protocol, for trying a model out with curl or any of its clients: requests pass
through the manager, {AT_ONCE} at once. Services use the Inference Client, which asks the Inference Servers directly."""
PARTS = (
    discovery,
    health,
    listings,
    garbage,
    archive,
    deletions,
    dossiers,
    models,
    versions,
    deployments,
    replicas,
    trials,
    captures,
    scaling,
    metrics,
    open_inference,
)
OWN_PREFIX = (metrics, open_inference)


def build_app(manager: InferenceManager, tokens: Tokens | None) -> FastAPI:
    """The application around a manager; starting and stopping the application starts and stops the manager.

    `tokens=None` asks for no token.
    """
    state = manager.settings.home / "manager"
    guard = Guard(tokens, Audit(state / "audit.jsonl"), Answers(state / "answers"), manager.metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        manager.start()
        try:
            yield
        finally:
            manager.stop()
            guard.audit.close()

    app = FastAPI(
        title="Seatrial Inference Manager",
        description=DESCRIPTION,
        version=__version__,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.manager = manager
    app.state.guard = guard
    responses: dict[int | str, dict[str, Any]] = {
        "default": {
            "description": "An error: a problem document.",
            "content": {PROBLEM: {"schema": Problem.model_json_schema()}},
        }
    }
    for part in PARTS:
        if not all(isinstance(route, GuardedRoute) for route in part.router.routes):
            raise TypeError(f"{part.__name__} needs APIRouter(route_class=GuardedRoute): it would be open to everyone")
        app.include_router(part.router, prefix="" if part in OWN_PREFIX else PREFIX, responses=responses)
    app.add_middleware(LongPolls, manager.editions, guard)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    return app
