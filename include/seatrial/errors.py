"""Every error that Seatrial raises on purpose, told apart by what the caller should do next.

    SeatrialError
    ├── Refused                 the input is wrong: correct it, trying again unchanged is useless
    │   ├── TooLarge            the request's body passes a limit
    │   ├── UploadRefused       a file of an upload: names file, field, value and limit
    │   ├── WrongBytes          what was to be stored has another digest than was said
    │   └── BadInput            a tensor of a request: names layer, what was expected, what came
    ├── NotFound                the thing is not there: check the name
    │   ├── NoSuchModel
    │   ├── NoSuchVersion
    │   └── NotDeployed         it exists, but nothing serves it in that stage
    ├── Conflict                the state moved on: read it again, then decide
    ├── Forbidden               the token is missing, wrong or revoked
    │   └── NotAllowed          the token is right, but its role may not do this
    └── TryAgain                nothing is wrong with the request: the same call may succeed later
        ├── ManagerUnavailable
        ├── Overloaded          the server sheds load
        ├── TooManyFailures     too many requests without a valid token
        ├── DeadlineExceeded
        ├── StagingTaken        another run validates its version there: wait until that is decided
        ├── DeviceTaken         another run measures on the cores or the GPU: wait until it has ended
        ├── UndecidedYet        a comparison needs more requests: what it has is kept, and it goes on
        ├── MachineNotQuiet     other work spoiled each window of a measurement: no figure, for better or worse
        └── ServerFailed        an Inference Server died or answered nonsense: carries the log's last lines

Errors travel between the manager and its callers as problem documents (RFC 9457): `to_problem` and `from_problem`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class SeatrialError(Exception):
    """Root of the tree. `fields` are the named facts that the message was made of."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = {name: value for name, value in fields.items() if value is not None}


class Refused(SeatrialError):
    code, status = "refused", 422


class TooLarge(Refused):
    code, status = "too-large", 413


class UploadRefused(Refused):
    """An upload cannot be accepted. The message is one line: file, field, value, limit.

    >>> str(UploadRefused("is not a known format", file="model.yaml", field="format", value="caffe", limit="onnx"))
    "model.yaml: format: 'caffe' is not a known format (limit: onnx)"
    """

    code = "upload-refused"

    def __init__(
        self, reason: str, *, file: str, field: str | None = None, value: Any = None, limit: Any = None
    ) -> None:
        said = None if value is None else shown(value)
        where = f"{file}: {field}" if field else file
        message = f"{where}: {said + ' ' if said else ''}{reason}" + (f" (limit: {limit})" if limit is not None else "")
        super().__init__(message, reason=reason, file=file, field=field, value=said, limit=limit)


class WrongBytes(Refused):
    code = "wrong-bytes"


class BadInput(Refused):
    """A request's tensor does not fit the served signature. Raised before anything is sent."""

    code = "bad-input"

    def __init__(self, layer: str, *, expected: str, got: str) -> None:
        super().__init__(f"layer {layer!r}: expected {expected}, got {got}", layer=layer, expected=expected, got=got)


class NotFound(SeatrialError):
    code, status = "not-found", 404


class NoSuchModel(NotFound):
    code = "no-such-model"


class NoSuchVersion(NotFound):
    code = "no-such-version"


class NotDeployed(NotFound):
    code = "not-deployed"


class Conflict(SeatrialError):
    code, status = "conflict", 409


class Forbidden(SeatrialError):
    code, status = "forbidden", 401


class NotAllowed(Forbidden):
    code, status = "not-allowed", 403


class TryAgain(SeatrialError):
    code, status = "try-again", 503


class ManagerUnavailable(TryAgain):
    code = "manager-unavailable"


class Overloaded(TryAgain):
    code = "overloaded"


class TooManyFailures(TryAgain):
    code, status = "too-many-failures", 429


class DeadlineExceeded(TryAgain):
    code, status = "deadline-exceeded", 504


class StagingTaken(TryAgain):
    code = "staging-taken"


class DeviceTaken(TryAgain):
    code = "device-taken"


class UndecidedYet(TryAgain):
    code = "undecided-yet"


class MachineNotQuiet(TryAgain):
    code = "machine-not-quiet"


class ServerFailed(TryAgain):
    code, status = "server-failed", 502


def _all_errors(root: type[SeatrialError]) -> list[type[SeatrialError]]:
    return [root, *(found for child in root.__subclasses__() for found in _all_errors(child))]


BY_CODE: dict[str, type[SeatrialError]] = {kind.code: kind for kind in _all_errors(SeatrialError)}


def to_problem(error: SeatrialError) -> dict[str, Any]:
    """The problem document of an error: `type`, `title`, `status`, `detail`, and the error's own fields."""
    return {
        **error.fields,
        "type": f"urn:seatrial:{error.code}",
        "title": error.code.replace("-", " "),
        "status": error.status,
        "detail": error.message,
    }


def from_problem(problem: Mapping[str, Any]) -> SeatrialError:
    """The error that a problem document stands for; an unknown type becomes a plain SeatrialError."""
    kind = BY_CODE.get(str(problem.get("type", "")).rpartition(":")[2], SeatrialError)
    error = kind.__new__(kind)
    fields = {k: v for k, v in problem.items() if k not in ("type", "title", "status", "detail")}
    SeatrialError.__init__(error, str(problem.get("detail", "no detail given")), **fields)
    return error


def shown(value: Any, length: int = 120) -> str:
    """A value as it may be shown in a log line: quoted, without control characters, cut."""
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}… ({len(text)} characters)"
