"""Answers before all routes what a thousand clients ask at the same moment: `GET /v1/discovery`, plainly asked.

What FastAPI does for a request takes four times as long as telling a client the news. So who may ask, and asks nothing
but that, is answered here. All else goes on to the route: a token that opens nothing, an unknown parameter, a body.
It answers the same, refuses with a problem document, and stands in the API's description.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from seatrial.errors import SeatrialError
from seatrial.manager.editions import Editions
from seatrial.manager.guard import Guard
from seatrial.manager.problems import problem
from seatrial.manager.roles import address, needed

METHOD, ROUTE = "GET", "/discovery"
ADDRESS, ROLE = address(ROUTE), needed(METHOD, ROUTE)

_QUERY = re.compile(rb"(?:wait_s=([0-9]{1,2}(?:\.[0-9]{1,6})?))?")
_LONGEST_S = 60.0
_OF_A_BODY = {b"content-length", b"transfer-encoding"}


@dataclass(frozen=True)
class Question:
    """How long the caller waits for news, the ETag that it knows, and its Authorization header."""

    wait_s: float
    etag: str | None
    authorization: str


def plain_question(scope: Scope) -> Question | None:
    """What is asked, when it is discovery and nothing about it is unusual (pure)."""
    if scope["type"] != "http" or scope["method"] != METHOD or scope["path"] != ADDRESS:
        return None
    query = _QUERY.fullmatch(scope["query_string"])
    headers = dict(scope["headers"])
    if query is None or len(headers) < len(scope["headers"]) or headers.keys() & _OF_A_BODY:
        return None
    wait_s = float(query[1] or 0)
    etag = headers.get(b"if-none-match")
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    return Question(wait_s, etag and etag.decode("latin-1"), authorization) if wait_s <= _LONGEST_S else None


class LongPolls:
    """An ASGI middleware."""

    def __init__(self, app: ASGIApp, editions: Editions, guard: Guard) -> None:
        self._app, self._editions, self._guard = app, editions, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = plain_question(scope)
        if asked is None or not self._may_ask(asked.authorization):
            return await self._app(scope, receive, send)
        status, began = 500, time.perf_counter()
        try:
            answer = (await self._editions.other_than(asked.etag, asked.wait_s)).answer(asked.etag)
            status = answer.status_code
        except SeatrialError as error:
            answer, status = problem(Request(scope), error), error.status
        finally:
            self._guard.metrics.answered(METHOD, ADDRESS, status, time.perf_counter() - began)
        return await answer(scope, receive, send)

    def _may_ask(self, authorization: str) -> bool:
        found = self._guard.token(authorization)
        return found is not None and found.may(ROLE)
