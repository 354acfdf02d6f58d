"""What each gRPC status means for a caller and for its server: one table, walked whole by a test."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.client.health import Outcome
from seatrial.errors import (
    Conflict,
    DeadlineExceeded,
    Forbidden,
    NotDeployed,
    Overloaded,
    Refused,
    SeatrialError,
    ServerFailed,
)


@dataclass(frozen=True)
class Meaning:
    """`error`: the class of our tree. `outcome`: what it says about the server. `elsewhere`: another server may answer
    the same request, so try one.

    `elsewhere` holds only where the request cannot have been refused for its content: a server that is gone, stopping
    or has not loaded the model. INTERNAL and UNKNOWN are what a runtime says of a request that it cannot compute.
    """

    error: type[SeatrialError]
    outcome: Outcome
    elsewhere: bool = False


_GONE = Meaning(ServerFailed, Outcome.UNREACHABLE, elsewhere=True)
_SHED = Meaning(Overloaded, Outcome.SHED)

MEANINGS: dict[str, Meaning] = {
    "CANCELLED": Meaning(ServerFailed, Outcome.FAILED),
    "UNKNOWN": Meaning(ServerFailed, Outcome.FAILED),
    "INVALID_ARGUMENT": Meaning(Refused, Outcome.REFUSED),
    "DEADLINE_EXCEEDED": Meaning(DeadlineExceeded, Outcome.LATE),
    "NOT_FOUND": Meaning(NotDeployed, Outcome.UNREACHABLE, elsewhere=True),
    "ALREADY_EXISTS": Meaning(Conflict, Outcome.REFUSED),
    "PERMISSION_DENIED": Meaning(Forbidden, Outcome.FAILED),
    "RESOURCE_EXHAUSTED": _SHED,
    "FAILED_PRECONDITION": Meaning(Refused, Outcome.REFUSED),
    "ABORTED": Meaning(ServerFailed, Outcome.FAILED),
    "OUT_OF_RANGE": Meaning(Refused, Outcome.REFUSED),
    "UNIMPLEMENTED": Meaning(Refused, Outcome.FAILED),
    "INTERNAL": Meaning(ServerFailed, Outcome.FAILED),
    "UNAVAILABLE": _GONE,
    "DATA_LOSS": Meaning(ServerFailed, Outcome.FAILED),
    "UNAUTHENTICATED": Meaning(Forbidden, Outcome.FAILED),
}

_PLAINER = {
    "deadline exceeded": "no answer within what was left of timeout_s: the model takes longer, or more is asked of it "
    "than its servers can do",
}
"""For gRPC's own words that say nothing."""

_BY_TEXT: tuple[tuple[str, str, Meaning], ...] = (
    # Triton says UNAVAILABLE for a full queue too, and for a request that waited there too long; only its text tells
    # that from a server that is gone.
    ("UNAVAILABLE", "exceeds maximum queue size", _SHED),
    ("UNAVAILABLE", "request timeout expired", _SHED),
    # gRPC's own words for a connection that was cut off under a call; no server says them.
    ("UNKNOWN", "stream removed", _GONE),
    ("INTERNAL", "rst_stream", _GONE),
)


def meaning(code: str, details: str | None) -> Meaning:
    text = (details or "").lower()
    return next((found for at, words, found in _BY_TEXT if at == code and words in text), MEANINGS[code])


def translate(code: str, details: str | None, address: str) -> SeatrialError:
    """The error for a gRPC status, with fields `address` and `grpc_code`. OK is never passed here."""
    text = " ".join((details or "no details given").split())
    text = _PLAINER.get(text.lower(), text)
    return meaning(code, details).error(f"{address}: {text}", address=address, grpc_code=code)


def meaning_of(error: SeatrialError) -> Meaning | None:
    """Of an error that `translate` made; None for one that did not come from a server."""
    code = error.fields.get("grpc_code")
    return meaning(code, error.message) if code in MEANINGS else None


def may_go_elsewhere(error: SeatrialError) -> bool:
    """Whether the same request may be tried on another server; false for errors that did not come from a server."""
    found = meaning_of(error)
    return found is not None and found.elsewhere
