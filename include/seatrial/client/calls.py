"""One call of the Inference Client, without I/O: a generator that says what to do next and is told what came of it.

It yields a Step (steps.py) and returns an InferResult, or raises the error that the caller sees. InferenceClient and
AsyncInferenceClient drive it; they only send and wait. Everything that is decided is decided here: which server, for
how long, whether to try another one, when to give up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import ArrayLike

from seatrial.client.balancer import Balancer, Outcome
from seatrial.client.budget import Budget
from seatrial.client.grpc_errors import meaning_of
from seatrial.client.news import News
from seatrial.client.routes import Endpoint, Route, Target
from seatrial.client.steps import (
    Attempt,
    Await,
    CallEvent,
    EncodedRequest,
    Ended,
    InferResult,
    Metadata,
    Probe,
    Send,
    Start,
    Step,
    WaitForNews,
    with_story,
)
from seatrial.errors import DeadlineExceeded, NotDeployed, SeatrialError
from seatrial.tensors import Array

RETRY_SHARE = 0.2  # retries per request, over time: they must not multiply an outage
RETRY_BURST = 100.0  # a server that dies fails all its calls at once: each of them must find another server
HEDGE_SHARE = 0.05  # second requests per request, over time: they are for the slowest of them
HEDGE_BURST = 10.0

LEAST_S = 0.001
"""Less is not worth sending."""

SILENT_S = 1.0
SILENT_TIMES = 10.0
"""A server is silent, and another one is tried, after this many times its usual time and not before SILENT_S, or half
of what the caller has: one that was stopped, or cut off, would hold a call until its deadline."""

LOOK_S = 0.05
"""Between looks at servers that were all tried: one of them may say that it is ready."""

Steps = Generator[Step, Any, InferResult]


@dataclass(slots=True)
class _Trip:
    """One call on its way. `route` and `request` are renewed when it has to go elsewhere."""

    target: Target
    layers: Mapping[str, ArrayLike]
    until: float
    began: float
    route: Route | None = None
    request: EncodedRequest | None = None
    address: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    avoid: set[str] = field(default_factory=set)
    hedged: bool = False
    watched: bool = False
    metadata: Metadata | None = None


class Source(Protocol):
    """Where the news are."""

    news: News


class Calls:
    """What the calls of one client share. `source` tells what discovery knows; `watching` whether anybody wants the
    events that `told` gets."""

    def __init__(
        self,
        source: Source,
        *,
        clock: Callable[[], float] = time.monotonic,
        balancer: Balancer | None = None,
        hedge_after_s: float | None = None,
        captured: Callable[[Route, bytes], None] | None = None,
        watching: Callable[[], bool] = lambda: False,
        told: Callable[[CallEvent], None] = lambda _: None,
        metadata: Callable[[], Metadata | None] = lambda: None,
    ) -> None:
        self._source, self._clock = source, clock
        self.balancer = balancer or Balancer()
        self._retries, self._hedges = Budget(RETRY_SHARE, RETRY_BURST), Budget(HEDGE_SHARE, HEDGE_BURST)
        self._hedge_after_s = hedge_after_s
        self._captured, self._watching, self._told, self._metadata = captured, watching, told, metadata

    def call(self, target: Target, layers: Mapping[str, ArrayLike], timeout_s: float) -> Steps:
        """One call, to be driven to its end; closing it early gives up what was sent."""
        now = self._clock()
        trip = _Trip(target, layers, now + timeout_s, now, watched=self._watching(), metadata=self._metadata())
        try:
            outputs = yield from self._travel(trip)
        except SeatrialError as error:
            told = with_story(error, trip.attempts)
            if trip.watched:
                self._told(self._event(trip, told))
            raise told from (error.__cause__ if told is error else error)
        assert trip.route is not None
        assert trip.request is not None
        assert trip.address is not None
        self._retries.earn()
        if self._hedge_after_s is not None:
            self._hedges.earn()
        if trip.route.capture.share > 0 and self._captured is not None:
            self._captured(trip.route, trip.request.payload)
        if trip.watched:
            self._told(self._event(trip, None))
        return InferResult(outputs, trip.route, trip.address)

    def route(self, target: Target, timeout_s: float) -> Generator[Step, Any, Route]:
        """The route of a target, as soon as discovery knows it."""
        return (yield from self._find(target, self._clock() + timeout_s))

    def _travel(self, trip: _Trip) -> Generator[Step, Any, dict[str, Array]]:
        routes = self._source.news.routes
        self._take(trip, routes.find(trip.target) if routes else (yield from self._find(trip.target, trip.until)))
        while True:
            assert trip.route is not None
            now = self._clock()
            for due in self.balancer.due(trip.route.endpoints, now):
                yield Probe(due.address, trip.route.model, trip.route.version)
            endpoint = self.balancer.pick(trip.route.endpoints, now, trip.avoid)
            try:
                return (yield from self._send(trip, endpoint, now))
            except SeatrialError as error:
                if not self._may_go_on(trip, error) or not self._retries.take():
                    raise
                yield from self._elsewhere(trip, error)

    def _find(self, target: Target, until: float) -> Generator[Step, Any, Route]:
        """The route, as soon as there are any."""
        news = self._source.news
        while news.routes is None:
            left = until - self._clock()
            if left <= 0 or news.hopeless:
                raise news.error()
            yield WaitForNews(news.revision, left)
            news = self._source.news
        return news.routes.find(target)

    def _take(self, trip: _Trip, route: Route) -> None:
        """A version that replaced the former one may have other layers: what was given must fit it, or is BadInput."""
        if route is not trip.route:
            trip.request = EncodedRequest(route.model, route.version, route.encoder.encode(trip.layers))
            trip.route = route

    def _send(self, trip: _Trip, endpoint: Endpoint, began: float) -> Generator[Step, Any, dict[str, Array]]:
        assert trip.request is not None
        assert trip.route is not None
        left = max(LEAST_S, trip.until - began)
        alone = len(trip.route.endpoints) == 1
        usual = None if alone else self.balancer.latency_s(endpoint.address)
        if not alone and (usual is None or self._hedge_after_s is not None):
            return (yield from self._race(trip, endpoint, began))
        patience = left if usual is None else self._patience(usual, left)
        try:
            outputs: dict[str, Array] = yield Send(endpoint.address, trip.request, patience, trip.metadata)
        except SeatrialError as error:
            self._failed(trip, endpoint.address, began, error, silent=patience < left)
            raise
        except BaseException:
            self._abandoned(trip, endpoint.address, began)
            raise
        self._answered(trip, endpoint.address, began)
        return outputs

    def _race(self, trip: _Trip, first: Endpoint, began: float) -> Generator[Step, Any, dict[str, Array]]:
        """Send, and to another server too when the first takes long; the first answer counts."""
        assert trip.request is not None
        assert trip.route is not None
        running = {first.address: began}
        try:
            yield Start(first.address, trip.request, max(LEAST_S, trip.until - began), trip.metadata)
            ended: Ended | None = yield Await(self._second_after_s(trip, began))
            if ended is None and self._may_hedge():
                now, trip.hedged = self._clock(), True
                second = self.balancer.pick(trip.route.endpoints, now, {*trip.avoid, first.address})
                if second.address in running:
                    self._ended(second.address, now, Outcome.ABANDONED)
                else:
                    running[second.address] = now
                    yield Start(second.address, trip.request, max(LEAST_S, trip.until - now), trip.metadata)
            while True:
                ended = ended or (yield Await(None))
                assert ended is not None
                began = running.pop(ended.address)
                if ended.outputs is not None:
                    self._answered(trip, ended.address, began)
                    return ended.outputs
                assert ended.error is not None
                self._failed(trip, ended.address, began, ended.error)
                if not running:
                    raise ended.error
                ended = None
        finally:
            for address, since in running.items():
                self._abandoned(trip, address, since)

    def _second_after_s(self, trip: _Trip, began: float) -> float:
        half = max(LEAST_S, (trip.until - began) / 2)
        return min(SILENT_S if self._hedge_after_s is None else self._hedge_after_s, half)

    def _may_hedge(self) -> bool:
        """Without the option it is a retry: of a server that is not known and says nothing."""
        return (self._retries if self._hedge_after_s is None else self._hedges).take()

    def _patience(self, usual_s: float, left_s: float) -> float:
        """How long to wait for a server that is not the only one: all that is left where no retry could follow."""
        patience = max(SILENT_TIMES * usual_s, min(SILENT_S, left_s / 2))
        return left_s if patience > 0.8 * left_s or self._retries.empty else patience

    def _may_go_on(self, trip: _Trip, error: SeatrialError) -> bool:
        found = meaning_of(error)
        return (
            found is not None
            and trip.until - self._clock() > LEAST_S
            and (found.elsewhere or isinstance(error, DeadlineExceeded))
        )

    def _elsewhere(self, trip: _Trip, error: SeatrialError) -> Generator[Step, Any, None]:
        """The route after a failure: what discovery says now, which may be other servers or another version.

        When every server was tried, wait for news, or for one of them to say that it is ready; after half of what is
        left they are tried again as they are.
        """
        now = self._clock()
        halfway = now + (trip.until - now) / 2
        while True:
            news, now = self._source.news, self._clock()
            try:
                self._take(trip, (yield from self._find(trip.target, trip.until)))
                assert trip.route is not None
                if self._another(trip, trip.route, now, halfway):
                    return
                for due in self.balancer.due(trip.route.endpoints, now):
                    yield Probe(due.address, trip.route.model, trip.route.version)
            except NotDeployed:  # the manager saw the server die too, and is about to replace it
                pass
            if trip.until - now <= LOOK_S:
                raise error
            yield WaitForNews(news.revision, LOOK_S)

    def _another(self, trip: _Trip, route: Route, now: float, halfway: float) -> bool:
        if any(endpoint.address not in trip.avoid for endpoint in route.endpoints):
            return True
        if now < halfway and not self.balancer.usable(route.endpoints, now):
            return False
        trip.avoid.clear()
        return True

    def _answered(self, trip: _Trip, address: str, began: float) -> None:
        seconds = self._ended(address, began, Outcome.ANSWERED)
        trip.address = address
        if trip.attempts or trip.watched:
            trip.attempts.append(Attempt(address, seconds, None))

    def _failed(self, trip: _Trip, address: str, began: float, error: SeatrialError, *, silent: bool = False) -> None:
        found = meaning_of(error)
        outcome = found.outcome if found is not None else Outcome.FAILED
        outcome = Outcome.SILENT if outcome is Outcome.LATE and silent else outcome
        seconds = self._ended(address, began, outcome)
        trip.attempts.append(Attempt(address, seconds, error))
        trip.avoid.add(address)

    def _abandoned(self, trip: _Trip, address: str, began: float) -> None:
        trip.attempts.append(Attempt(address, self._ended(address, began, Outcome.ABANDONED), None))

    def _ended(self, address: str, began: float, outcome: Outcome) -> float:
        now = self._clock()
        self.balancer.done(address, now, outcome, now - began)
        return now - began

    def _event(self, trip: _Trip, error: SeatrialError | None) -> CallEvent:
        return CallEvent(
            trip.target,
            trip.route,
            trip.address,
            self._clock() - trip.began,
            len(trip.request.payload) if trip.request else 0,
            tuple(trip.attempts),
            trip.hedged,
            error,
        )
