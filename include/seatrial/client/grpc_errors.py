"""What each gRPC status means for a caller: one table, walked whole by a test."""

from __future__ import annotations

from dataclasses import dataclass

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
    """`error`: the class of our tree. `elsewhere`: another server may answer the same request, so try one.

    `elsewhere` holds only where the request cannot have been refused for its content: a server that is gone, stopping
    or has not loaded the model. INTERNAL and UNKNOWN are what a runtime says of a request that it cannot compute.
    """

    error: type[SeatrialError]
    elsewhere: bool = False


MEANINGS: dict[str, Meaning] = {
    "CANCELLED": Meaning(ServerFailed),
    "UNKNOWN": Meaning(ServerFailed),
    "INVALID_ARGUMENT": Meaning(Refused),
    "DEADLINE_EXCEEDED": Meaning(DeadlineExceeded),
    "NOT_FOUND": Meaning(NotDeployed, elsewhere=True),
    "ALREADY_EXISTS": Meaning(Conflict),
    "PERMISSION_DENIED": Meaning(Forbidden),
    "RESOURCE_EXHAUSTED": Meaning(Overloaded),
    "FAILED_PRECONDITION": Meaning(Refused),
    "ABORTED": Meaning(ServerFailed),
    "OUT_OF_RANGE": Meaning(Refused),
    "UNIMPLEMENTED": Meaning(Refused),
    "INTERNAL": Meaning(ServerFailed),
    "UNAVAILABLE": Meaning(ServerFailed, elsewhere=True),
    "DATA_LOSS": Meaning(ServerFailed),
    "UNAUTHENTICATED": Meaning(Forbidden),
}

# Triton says UNAVAILABLE for a full queue too; only its text tells that from a server that is gone.
_FULL_QUEUE = "exceeds maximum queue size"


def translate(code: str, details: str | None, address: str) -> SeatrialError:
    """The error for a gRPC status, with fields `address` and `grpc_code`. OK is never passed here."""
    kind = MEANINGS[code].error
    if code == "UNAVAILABLE" and _FULL_QUEUE in (details or "").lower():
        kind = Overloaded
    text = " ".join((details or "no details given").split())
    return kind(f"{address}: {text}", address=address, grpc_code=code)


def may_go_elsewhere(error: SeatrialError) -> bool:
    """Whether the same request may be tried on another server; false for errors that did not come from a server."""
    meaning = MEANINGS.get(str(error.fields.get("grpc_code", "")))
    return meaning is not None and meaning.elsewhere and not isinstance(error, Overloaded)
