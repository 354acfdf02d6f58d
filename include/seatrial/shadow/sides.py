"""The two versions that are compared: their servers, and one request sent to both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from seatrial.client.grpc_errors import may_go_elsewhere
from seatrial.client.transport import GrpcTransport, encode
from seatrial.errors import SeatrialError
from seatrial.shadow.record import Source
from seatrial.tensors import Tensors

SideName = Literal["production", "staging"]
LONGEST_S, SHORTEST_S, OBJECTIVES = 30.0, 2.0, 20  # an answer is waited for so many times its latency objective


@dataclass(frozen=True)
class Request:
    """One request to replay; `expected` is the reference's answer, for a first version."""

    id: str
    source: Source
    inputs: Tensors
    expected: Tensors | None = None


@dataclass(frozen=True)
class Side:
    """Where one version answers."""

    address: str
    model: str
    version: int


FindSide = Callable[[], Side]
"""A version's server that is ready, waiting for one as long as is sensible. Raises DeadlineExceeded or NotDeployed when
there is none; other errors say nothing of the version."""


@dataclass(frozen=True)
class Answer:
    """`undisturbed`: whether the server surely answered nobody else meanwhile, so that `seconds` hold no wait for its
    clients."""

    outputs: Tensors
    seconds: float
    undisturbed: bool = False


@dataclass(frozen=True)
class Answers:
    """Production's first answer (or a reference's) and second, and Staging's two; None where one failed, or was not
    asked for. `busy_s`: how long Production was asked. `failure`: what Staging said instead of an answer, if it did."""

    base: Answer | None
    again: Answer | None
    candidate: Answer | None
    candidate_again: Answer | None
    busy_s: float
    failure: str = ""


class _Asked(NamedTuple):
    """`failure`: what the server said instead of an answer."""

    answer: Answer | None
    failure: str
    seconds: float


class ServerGone(Exception):
    """The server of that side took no request, or ended under one."""

    def __init__(self, side: SideName, error: SeatrialError) -> None:
        super().__init__(f"{side}: {error}")
        self.side, self.error = side, error


class Sides:
    """Sends to servers that are looked for when they are first needed, and again after `forget`."""

    def __init__(self, find: dict[SideName, FindSide], transport: GrpcTransport, latency_ms: float) -> None:
        self._find, self._transport = find, transport
        self._timeout_s = min(LONGEST_S, max(SHORTEST_S, OBJECTIVES * latency_ms / 1000))
        self._found: dict[SideName, Side] = {}

    def find(self, side: SideName) -> Side:
        """Raises what a FindSide raises."""
        if side not in self._found:
            self._found[side] = self._find[side]()
        return self._found[side]

    def forget(self, side: SideName) -> None:
        self._transport.forget(self._found.pop(side).address)

    def exchange(self, request: Request, *, staging_first: bool) -> Answers:
        """In the order A B B A: to Production, twice to Staging, to Production; or the other way round. So each side is
        asked as often, as long after its last request, and as often after the other: a server that was just asked is
        quicker, by a tenth where it takes half a millisecond. Raises ServerGone."""
        if "production" not in self._find:
            asked = self._ask("staging", request)
            return Answers(Answer(request.expected or {}, 0.0), None, asked.answer, None, 0.0, asked.failure)
        outer: SideName = "staging" if staging_first else "production"
        inner: SideName = "production" if staging_first else "staging"
        first, second = self._ask(outer, request), self._ask(inner, request)
        third, fourth = self._ask(inner, request), self._ask(outer, request)
        of_outer, of_inner = (first, fourth), (second, third)
        production, staging = (of_inner, of_outer) if staging_first else (of_outer, of_inner)
        return Answers(
            production[0].answer,
            production[1].answer,
            staging[0].answer,
            staging[1].answer,
            busy_s=production[0].seconds + production[1].seconds,
            failure=staging[0].failure or staging[1].failure,
        )

    def only_staging(self, request: Request) -> Answers:
        """To Staging, and to Production only where Staging failed: does it fail, too? Raises ServerGone."""
        asked = self._ask("staging", request)
        if asked.answer is not None:
            return Answers(None, None, asked.answer, None, 0.0)
        too = self._ask("production", request)
        return Answers(too.answer, None, None, None, too.seconds, asked.failure)

    def warm_up(self, request: Request, times: int) -> float:
        """Ask Staging so often, and once Production, which its clients keep warm. How long Production was asked, in
        seconds. Raises ServerGone."""
        for _ in range(times):
            self._ask("staging", request)
        return self._ask("production", request).seconds if "production" in self._find else 0.0

    def _ask(self, side: SideName, request: Request) -> _Asked:
        to = self.find(side)
        encoded = encode(to.model, to.version, request.inputs)
        before = self._counted(side, to)
        began = time.perf_counter()
        try:
            outputs = self._transport.send(to.address, encoded, self._timeout_s)
        except SeatrialError as error:
            if may_go_elsewhere(error):
                raise ServerGone(side, error) from error
            return _Asked(None, str(error), time.perf_counter() - began)
        seconds = time.perf_counter() - began
        after = self._counted(side, to)
        undisturbed = before is not None and after is not None and after - before <= 1
        return _Asked(Answer(outputs, seconds, undisturbed), "", seconds)

    def _counted(self, side: SideName, to: Side) -> int | None:
        """How many requests the server has ended so far; None where it does not say."""
        try:
            counted = self._transport.model_statistics(to.address, to.model, to.version)
        except SeatrialError as error:
            if may_go_elsewhere(error):
                raise ServerGone(side, error) from error
            return None
        return counted.requests + counted.failures
