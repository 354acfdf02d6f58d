"""What a call may ask of whoever drives it, and what it tells afterwards (values only)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from seatrial.client.routes import Route, Target
from seatrial.errors import SeatrialError
from seatrial.tensors import Array


class EncodedRequest(NamedTuple):
    """A ModelInfer request as bytes, ready to be sent any number of times to any server of that model and version."""

    model: str
    version: int
    payload: bytes


Metadata = tuple[tuple[str, str], ...]
"""What goes with a request beside its content: trace context."""


class Send(NamedTuple):
    """Send and wait. Resume with the outputs, or throw the SeatrialError."""

    address: str
    request: EncodedRequest
    timeout_s: float
    metadata: Metadata | None = None


class Start(NamedTuple):
    """Begin to send, and resume at once with nothing. What has not ended when the call ends is given up."""

    address: str
    request: EncodedRequest
    timeout_s: float
    metadata: Metadata | None = None


class Await(NamedTuple):
    """Wait until one that was started has ended. Resume with that Ended, or None after `timeout_s`."""

    timeout_s: float | None


class Probe(NamedTuple):
    """Ask a server whether it is ready, and resume at once; the answer goes to `Balancer.ready`."""

    address: str
    model: str
    version: int


class WaitForNews(NamedTuple):
    """Wait until discovery's revision is another than `revision`, or `timeout_s`. Resume with nothing."""

    revision: int
    timeout_s: float


Step = Send | Start | Await | Probe | WaitForNews


class Ended(NamedTuple):
    """One that was started: its outputs, or its error."""

    address: str
    outputs: dict[str, Array] | None
    error: SeatrialError | None


class Attempt(NamedTuple):
    """One request that was sent: to where, for how long, and how it failed, or that nobody waited for it any more."""

    address: str
    seconds: float
    error: SeatrialError | None
    given_up: bool = False

    def __str__(self) -> str:
        end = "given up" if self.given_up else "answered"
        end = end if self.error is None else f"{type(self.error).__name__} ({self.error.message})"
        return f"{self.address}: {end} after {self.seconds * 1000:.1f} ms"


@dataclass(frozen=True)
class CallEvent:
    """One call from its beginning to its end. `route` and `address` are None where it did not come that far; `error`
    is None where it was answered. `hedged`: a second server was asked while the first had not answered."""

    target: Target
    route: Route | None
    address: str | None
    seconds: float
    request_bytes: int
    attempts: tuple[Attempt, ...]
    hedged: bool
    error: SeatrialError | None

    def __str__(self) -> str:
        name = f"{self.route.model}@{self.route.version}" if self.route else f"{self.target.model}"
        tried = "; ".join(map(str, self.attempts)) or "nothing was sent"
        end = f"answered by {self.address}" if self.error is None else f"{type(self.error).__name__}: {self.error}"
        hedged = ", hedged" if self.hedged else ""
        return f"{name}: {end} in {self.seconds * 1000:.1f} ms, {self.request_bytes} bytes{hedged} [{tried}]"


class InferResult(dict[str, Array]):
    """Outputs by layer name, with the version, model id and endpoint that answered. The arrays are read-only."""

    __slots__ = ("endpoint", "model", "model_id", "version")

    def __init__(self, outputs: Mapping[str, Array], route: Route, endpoint: str) -> None:
        dict.__init__(self, outputs)
        self.model, self.version, self.model_id = route.model, route.version, route.model_id
        self.endpoint = endpoint

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {array.dtype}{list(array.shape)}" for name, array in self.items())
        return f"<InferResult {self.model}@{self.version} {shapes}>"


def with_story(error: SeatrialError, attempts: Sequence[Attempt]) -> SeatrialError:
    """The same error that also says what was tried where, in its message (from the second try on) and as `tried`."""
    if not attempts:
        return error
    kind = type(error)
    told = kind.__new__(kind)
    story = f" (tried {'; '.join(map(str, attempts))})" if len(attempts) > 1 else ""
    tried = [
        {"address": at.address, "seconds": round(at.seconds, 4), "error": at.error.message if at.error else None}
        for at in attempts
    ]
    SeatrialError.__init__(told, error.message + story, **{**error.fields, "tried": tried})
    return told
