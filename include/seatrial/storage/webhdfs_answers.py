"""What WebHDFS answers, as values and errors (pure). Every IOException is a 403: its name tells what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from seatrial.errors import Conflict, NotFound, Refused, SeatrialError, TryAgain
from seatrial.storage.port import Entry


class Passing(Exception):
    """It passes within seconds: a NameNode or DataNode is starting, or a connection was cut. Asked again at once."""


PASSING = frozenset(
    {
        "BlockMissingException",
        "ConnectException",
        "EOFException",  # the first call through a DataNode after its NameNode was restarted
        "NoRouteToHostException",
        "RetriableException",
        "SafeModeException",
        "SocketException",
        "SocketTimeoutException",
        "StandbyException",
    }
)
PASSING_MESSAGES = (  # all of them mere IOExceptions
    "Failed on local exception",  # between a DataNode and a NameNode that was restarted: broken pipe, reset, closed
    "Failed to find datanode",
    "No active and not excluded nodes contain this block",
    "could only be written to 0 of",
)

ERRORS: Mapping[str, type[SeatrialError]] = {
    "FileAlreadyExistsException": Conflict,
    "FileNotFoundException": NotFound,
    "InvalidPathException": Refused,
    "ParentNotDirectoryException": Refused,
    "PathComponentTooLongException": Refused,
    # who runs this must mend these; no caller can
    "AccessControlException": SeatrialError,
    "AuthorizationException": SeatrialError,
    "IllegalArgumentException": SeatrialError,
    "InvalidToken": SeatrialError,
    "SecurityException": SeatrialError,
    "UnsupportedOperationException": SeatrialError,
}
"""By the name of the RemoteException. Every other one is trouble of the cluster: TryAgain."""


def failure(status: int, text: str, asked: str) -> SeatrialError | Passing:
    """The error that an answer other than 2xx stands for. `asked` says of whom, and what."""
    found = _remote_exception(text)
    if found is None:
        return _from_another(status, text, asked)
    name, message = found
    said = f"{asked}: {name}: {message}"
    if name in PASSING or any(part in message for part in PASSING_MESSAGES):
        return Passing(said)
    return ERRORS.get(name, TryAgain)(said)


class Answer(dict[str, Any]):
    """The JSON object of a good answer. Another server's lacks what is looked up: that is told, not a KeyError."""

    def __init__(self, text: str, asked: str) -> None:
        """Some answers are empty, and so is their object. Raises SeatrialError for what is no object."""
        self._text, self._asked = text, asked
        try:
            found = json.loads(text or "{}")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._stranger()
        super().__init__(found)

    def __missing__(self, key: str) -> Any:
        raise self._stranger()

    def _stranger(self) -> SeatrialError:
        return SeatrialError(f"{self._asked}: {self._text.strip()[:200]!r}, which is not WebHDFS's form")


def clock_s(date: str) -> float | None:
    """The moment of an HTTP Date header in seconds since 1970; None for another text."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def entry(status: Mapping[str, Any], now_s: float) -> Entry:
    """A FileStatus; `now_s` is the NameNode's clock in seconds since 1970."""
    name, kind, modified_ms = status["pathSuffix"], status["type"], status["modificationTime"]
    age_s, special = now_s - modified_ms / 1000, kind not in ("DIRECTORY", "FILE")
    return Entry(name, kind == "DIRECTORY", status["length"], age_s, modified_ms * 10**6, special)


def _remote_exception(text: str) -> tuple[str, str] | None:
    """Name and first line of the message; stack traces follow it."""
    try:
        remote = json.loads(text)["RemoteException"]
        return str(remote["exception"]), str(remote["message"]).partition("\n")[0][:500]
    except (ValueError, LookupError, TypeError):
        return None


def _from_another(status: int, text: str, asked: str) -> SeatrialError | Passing:
    """Something before HDFS answers in another form: a proxy, the login of a secure cluster, another port of Hadoop."""
    said = f"{asked}: status {status}, {text.strip()[:200]!r}, which is not WebHDFS's form"
    return Passing(said) if status in (502, 503, 504) else SeatrialError(said)
