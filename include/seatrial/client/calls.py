"""One call of the Inference Client, without I/O: a generator that says what to do next and is told what came of it.

It yields a Step (steps.py) and returns an InferResult, or raises the error that the caller sees. InferenceClient and
AsyncInferenceClient drive it; they only send and wait. Everything that is decided is decided here: which server, for
how long, whether to try another one, when to give up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol

from numpy.typing import ArrayLike

from seatrial.client.balancer import Balancer
from seatrial.client.batches import Batch, split
from seatrial.client.budget import Budget
from seatrial.client.grpc_errors import meaning_of
from seatrial.client.news import News
from seatrial.client.routes import Route, Target
from seatrial.client.sending import LEAST_S, Sending, Trip
from seatrial.client.steps import (
    CallEvent,
    EncodedRequest,
    InferResult,
    Metadata,
    Step,
    WaitForNews,
    with_story,
)
from seatrial.errors import DeadlineExceeded, NotDeployed, SeatrialError

RETRY_SHARE = 0.2  # retries per request, over time: they must not multiply an outage
RETRY_BURST = 100.0  # a server that dies fails all its calls at once: each of them must find another server

LOOK_S = 0.05
"""Between looks at servers that were all tried: one of them may say that it is ready."""

Steps = Generator[Step, Any, InferResult]


class Source(Protocol):
    """Where the news are."""

    news: News


class Calls:
    """What the calls of one client share. `source` tells what discovery knows; `timeout_s` is for calls that have none;
    `watching` tells whether anybody wants the events that `told` gets."""

    def __init__(
        self,
        source: Source,
        *,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
        balancer: Balancer | None = None,
        hedge_after_s: float | None = None,
        captured: Callable[[Route, bytes], None] | None = None,
        watching: Callable[[], bool] = lambda: False,
        told: Callable[[CallEvent], None] = lambda _: None,
        metadata: Callable[[], Metadata | None] | None = None,
    ) -> None:
        self._source, self._clock, self._timeout_s = source, clock, timeout_s
        self.balancer = balancer or Balancer()
        self._retries = Budget(RETRY_SHARE, RETRY_BURST)
        self._sending = Sending(self.balancer, clock, self._retries, hedge_after_s)
        self._captured, self._watching, self._told, self._metadata = captured, watching, told, metadata

    def call(self, target: Target, layers: Mapping[str, ArrayLike], timeout_s: float | None) -> Steps:
        """One call, to be driven to its end; closing it early gives up what was sent."""
        now = self._clock()
        until = now + (self._timeout_s if timeout_s is None else timeout_s)
        trip = Trip(target, layers, until, now, watched=self._watching())
        if self._metadata is not None:
            trip.metadata = self._metadata()
        try:
            routes = self._source.news.routes
            self._take(trip, routes.find(target) if routes else (yield from self._find(target, trip.until)))
            while True:
                try:
                    outputs = yield from self._sending.send(trip)
                    break
                except SeatrialError as error:
                    if not self._may_go_on(trip, error):
                        raise
                    yield from self._elsewhere(trip, error)
        except SeatrialError as error:
            told = with_story(error, trip.attempts)
            if trip.watched:
                self._told(self._event(trip, told))
            raise told from (error.__cause__ if told is error else error)
        assert trip.route is not None
        assert trip.request is not None
        assert trip.address is not None
        if trip.route.capture.share > 0 and self._captured is not None:
            self._captured(trip.route, trip.request.payload)
        if trip.watched:
            self._told(self._event(trip, None))
        return InferResult(outputs, trip.route, trip.address)

    def batch(
        self, target: Target, layers: Mapping[str, ArrayLike], rows: int | None, timeout_s: float | None
    ) -> Generator[Step, Any, Batch]:
        """The requests of a batch, all to the version that the target means now; see batches.py."""
        until = self._clock() + (self._timeout_s if timeout_s is None else timeout_s)
        route = yield from self._find(target, until)
        pieces = split(route.signature, layers, len(route.endpoints), rows)
        one_version = Target(route.model, route.version, target.stage, target.environment)
        return Batch(one_version, route.signature, pieces, until)

    def piece(self, batch: Batch, layers: Mapping[str, ArrayLike]) -> Steps:
        """The call of one of its pieces, in what is left of the batch's time."""
        return self.call(batch.target, layers, batch.until - self._clock())

    def route(self, target: Target) -> Generator[Step, Any, Route]:
        """The route of a target, as soon as discovery knows it."""
        return (yield from self._find(target, self._clock() + self._timeout_s))

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

    def _take(self, trip: Trip, route: Route) -> None:
        """A version that replaced the former one may have other layers: what was given must fit it, or is BadInput."""
        if route is not trip.route:
            trip.request = EncodedRequest(route.model, route.version, route.encoder.encode(trip.layers))
            trip.route = route

    def _may_go_on(self, trip: Trip, error: SeatrialError) -> bool:
        found = meaning_of(error)
        return (
            found is not None
            and trip.until - self._clock() > LEAST_S
            and (found.elsewhere or isinstance(error, DeadlineExceeded))
            and self._retries.take()
        )

    def _elsewhere(self, trip: Trip, error: SeatrialError) -> Generator[Step, Any, None]:
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
                yield from self._sending.probes(trip.route, now)
            except NotDeployed:  # the manager saw the server die too, and is about to replace it
                pass
            if trip.until - now <= LOOK_S:
                raise error
            yield WaitForNews(news.revision, LOOK_S)

    def _another(self, trip: Trip, route: Route, now: float, halfway: float) -> bool:
        if any(endpoint.address not in trip.avoid for endpoint in route.endpoints):
            return True
        if now < halfway and not self.balancer.usable(route.endpoints, now):
            return False
        trip.avoid = frozenset()
        return True

    def _event(self, trip: Trip, error: SeatrialError | None) -> CallEvent:
        return CallEvent(
            trip.target,
            trip.route,
            trip.address,
            self._clock() - trip.began,
            len(trip.request.payload) if trip.request else 0,
            trip.attempts,
            trip.hedged,
            error,
        )
