"""What stands before every route: who calls, how large and deep the request is, whether it says only what the route
knows; and after it: the ETag and the audit line."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from seatrial.errors import Forbidden, NotAllowed, Refused, SeatrialError, TooLarge, TooManyFailures
from seatrial.manager.answers import Answers
from seatrial.manager.audit import Audit
from seatrial.manager.metrics import Metrics
from seatrial.manager.roles import PREFIX, address, needed
from seatrial.manager.tokens import FailedAttempts, Role, Token, Tokens, token_of
from seatrial.strict_json import read_json

log = logging.getLogger(__name__)

JSON_LIMIT = 16 * 2**20
BYTES_LIMIT = 65 * 2**20  # a capture of 64 MiB and its frame
STREAMED = ("/import",)  # read by the route itself, bit by bit
PASSED_ON = ("/infer",)  # for an Inference Server: the route reads it off the event loop, and no answer is kept
READS = ("GET", "HEAD")
ANYONE = token_of("insecure-local", "operator", "")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass
class Guard:
    """`tokens=None`: the manager was started with --insecure-local."""

    tokens: Tokens | None
    audit: Audit
    answers: Answers
    metrics: Metrics
    failures: FailedAttempts = field(default_factory=FailedAttempts)

    def token(self, authorization: str) -> Token | None:
        """The valid token that the header gives; None without one."""
        if self.tokens is None:
            return ANYONE
        scheme, _, given = authorization.partition(" ")
        return self.tokens.find(given.strip()) if scheme.lower() == "bearer" and given else None

    def caller(self, request: Request, role: Role) -> Token:
        """The valid token of the request. Raises Forbidden, NotAllowed, or TooManyFailures in place of Forbidden."""
        authorization = request.headers.get("authorization", "")
        found = self.token(authorization)
        if found is None:
            address = request.client.host if request.client else ""
            wait_s = self.failures.failed(address)
            if wait_s:
                raise TooManyFailures(
                    f"too many requests of {address} without a valid token; the next in {wait_s:.0f} s",
                    retry_after_s=round(wait_s),
                )
            raise Forbidden(
                "the bearer token is not this manager's, or is revoked: SEATRIAL_TOKEN needs one that"
                " `seatrial tokens create NAME --role client` gives"
                if authorization.partition(" ")[2]
                else "no bearer token: set SEATRIAL_TOKEN, or SEATRIAL_HOME to the manager's folder"
            )
        if not found.may(role):
            raise NotAllowed(
                f"token {found.name!r} has the role {found.role}; this needs {role}", role=found.role, limit=role
            )
        return found


class GuardedRoute(APIRoute):
    """A route that asks for its row of the role table. Every route of the manager is one."""

    def get_route_handler(self) -> Handler:
        answer = super().get_route_handler()
        shown = address(self.path.removeprefix(PREFIX))
        roles = {method: needed(method, self.path) for method in self.methods or ()}
        known = tuple(field.alias for field in self.dependant.query_params)
        streamed, passed_on = self.path.endswith(STREAMED), self.path.endswith(PASSED_ON)

        async def guarded(request: Request) -> Response:
            guard: Guard = request.app.state.guard
            method = request.method
            caller: Token | None = None
            status, began = 500, time.perf_counter()
            try:
                caller = guard.caller(request, roles[method])
                _check_query(request, known)
                if not streamed:
                    await _bounded(request, opaque=passed_on)
                if method in READS or streamed or passed_on:
                    found = await answer(request)
                else:
                    found = await guard.answers.once(request, caller.name, answer)
                status = found.status_code
                return _tagged(request, found) if method in READS else found
            except SeatrialError as error:
                status = error.status
                raise
            except RequestValidationError:
                status = 422
                raise
            except HTTPException as error:
                status = error.status_code
                raise
            finally:
                guard.metrics.answered(method, shown, status, time.perf_counter() - began)
                if method not in READS and roles[method] != "client":
                    guard.audit.write(request, caller, status)

        return guarded


def _check_query(request: Request, known: tuple[str, ...]) -> None:
    """Raise Refused for a parameter that the route does not have, or that is given twice: neither would be heeded."""
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        if name not in known or name in seen:
            flaw = "is given twice" if name in seen else "is no parameter of this route"
            limit = ", ".join(known) or "none"
            raise Refused(
                f"query.{name[:100]}: {flaw} (limit: {limit})",
                field=f"query.{name[:100]}",
                value=value[:100],
                limit=limit,
            )
        seen.add(name)


async def _bounded(request: Request, *, opaque: bool) -> None:
    """Read the body, no more and no deeper than is allowed. Starlette keeps what was read here for the route, bytes and
    document: JSON is read once, and what was checked is what the route sees."""
    is_bytes = opaque or request.headers.get("content-type", "").startswith("application/octet-stream")
    request._body = b"".join([part async for part in bounded_parts(request, BYTES_LIMIT if is_bytes else JSON_LIMIT)])
    if request._body and not is_bytes:
        with suppress(ValueError):  # what is no JSON the route refuses in its own words
            request._json = read_json(request._body, "body")


async def bounded_parts(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body in parts. Raises TooLarge before the one that passes the limit, at once where the length is declared."""
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else 0
    if size <= limit:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > limit:
                break
            yield part
    if size > limit:
        raise TooLarge(f"a body of {size} bytes or more (limit: {limit})", field="body", limit=limit)


def _tagged(request: Request, found: Response) -> Response:
    """With an ETag of its content; 304 when the caller has that already."""
    if found.status_code != 200 or "etag" in found.headers or not isinstance(getattr(found, "body", None), bytes):
        return found
    tag = f'"{hashlib.sha256(found.body).hexdigest()[:32]}"'
    known = [part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers={"ETag": tag})
    found.headers["ETag"] = tag
    return found
