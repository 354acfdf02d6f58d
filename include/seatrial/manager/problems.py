"""Errors as problem documents (RFC 9457): each names what is wrong, in which field, and the limit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from seatrial.errors import Forbidden, SeatrialError, TryAgain, shown, to_problem
from seatrial.manager.roles import OPEN_INFERENCE

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
RETRY_AFTER_S = 2  # a store or server that restarts takes about as long
LONGEST_FIELD = 200
LIMITS = {  # by the name of pydantic's constraint
    "expected": ("is not a known choice", "{}"),
    "pattern": ("does not match the pattern", "{}"),
    "gt": ("is too small", "more than {:g}"),
    "ge": ("is too small", "at least {:g}"),
    "lt": ("is too large", "less than {:g}"),
    "le": ("is too large", "at most {:g}"),
    "min_length": ("is too short", "at least {}"),
    "max_length": ("is too long", "at most {}"),
}
REASONS = {  # by pydantic's type of error
    "missing": "is missing",
    "extra_forbidden": "is not a field that is known here",
    "finite_number": "is not a finite number",
    "int_parsing": "is not a whole number",
    "int_parsing_size": "is too large for a number",
}


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


def problem(request: Request, error: Exception) -> JSONResponse:
    """The answer to who met an error of our tree, which is logged."""
    assert isinstance(error, SeatrialError)
    level = logging.WARNING if error.status >= 500 else logging.INFO
    log.log(level, "%s %s: %s", request.method, request.url.path, error)
    headers: dict[str, str] = {}
    if isinstance(error, TryAgain):
        headers["Retry-After"] = str(error.fields.get("retry_after_s", RETRY_AFTER_S))
    if isinstance(error, Forbidden) and error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="seatrial"'
    return JSONResponse(_for(request, to_problem(error)), error.status, headers, PROBLEM)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    """What does not fit a route's types: the first field that does not, its value, and the limit."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])[:LONGEST_FIELD]
    value = shown(first["input"]) if isinstance(first.get("input"), str | int | float) else None
    reason, limit = _flaw(first)
    named = {name: text for name, text in (("value", value), ("limit", limit)) if text is not None}
    detail = f"{field}: {value + ' ' if value else ''}{reason}" + (f" (limit: {limit})" if limit else "")
    return _answer(request, 422, "refused", detail, field=field, **named)


def _flaw(error: Mapping[str, Any]) -> tuple[str, str | None]:
    """pydantic's error in our words: the reason, and the limit if there is one."""
    context = error.get("ctx", {})
    for name, (reason, limit) in LIMITS.items():
        if name in context:
            return reason, limit.format(context[name])
    return REASONS.get(error["type"], f"is not accepted: {error['msg']}"), None


def _http(request: Request, error: Exception) -> JSONResponse:
    """Paths and methods that are not there, and bodies that are no JSON."""
    assert isinstance(error, HTTPException)
    code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
    answer = _answer(request, error.status_code, code, f"{request.method} {request.url.path[:200]}: {error.detail}")
    answer.headers.update(error.headers or {})
    return answer


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    return _answer(request, 500, "error", "the manager failed; its log says where")


def _answer(request: Request, status: int, code: str, detail: str, **fields: Any) -> JSONResponse:
    document = {
        "type": f"urn:seatrial:{code}",
        "title": code.replace("-", " "),
        "status": status,
        "detail": detail,
        **fields,
    }
    return JSONResponse(_for(request, document), status, media_type=PROBLEM)


def _for(request: Request, document: dict[str, Any]) -> dict[str, Any]:
    """With `error`, which clients of the Open Inference Protocol look for, where they ask."""
    inference = request.url.path.startswith(OPEN_INFERENCE)
    return {**document, "error": document["detail"]} if inference else document


HANDLERS: dict[type[Exception], Callable[[Request, Exception], JSONResponse]] = {
    SeatrialError: problem,
    RequestValidationError: _invalid,
    HTTPException: _http,
    Exception: _unexpected,
}
