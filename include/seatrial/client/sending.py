"""One request of a call, without I/O: to the server that was picked, or to two at once, and what their ends say.

Generators, as in calls.py.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from seatrial.client.balancer import Balancer
from seatrial.client.budget import Budget
from seatrial.client.grpc_errors import meaning_of
from seatrial.client.health import Outcome
from seatrial.client.routes import Endpoint, Route, Target
from seatrial.client.steps import Attempt, Await, EncodedRequest, Ended, Metadata, Probe, Send, Start, Step
from seatrial.errors import SeatrialError
from seatrial.tensors import Array

LEAST_S = 0.001
"""Less is not worth sending."""

SILENT_S = 1.0
SILENT_TIMES = 10.0
"""A server is silent, and another one is tried, after this many times its usual time and not before SILENT_S, or half
of what the caller has: one that was stopped, or cut off, would hold a call until its deadline."""

HEDGE_SHARE = 0.05  # second requests per request, over time: they are for the slowest of them
HEDGE_BURST = 10.0


@dataclass(slots=True)
class Trip:
    """One call on its way. `route` and `request` are renewed when it has to go elsewhere."""

    target: Target
    layers: Mapping[str, ArrayLike]
    until: float
    began: float
    route: Route | None = None
    request: EncodedRequest | None = None
    address: str | None = None
    attempts: tuple[Attempt, ...] = ()
    avoid: frozenset[str] = frozenset()
    hedged: bool = False
    watched: bool = False
    metadata: Metadata | None = None


class Sending:
    """`retries` is the budget of all second tries; `hedge_after_s` asks for second requests beside the first."""

    def __init__(
        self, balancer: Balancer, clock: Callable[[], float], retries: Budget, hedge_after_s: float | None
    ) -> None:
        self._balancer, self._clock, self._retries = balancer, clock, retries
        self._hedge_after_s = hedge_after_s
        self._hedges = Budget(HEDGE_SHARE, HEDGE_BURST)

    def send(self, trip: Trip) -> Generator[Step, Any, dict[str, Array]]:
        """To the server that the balancer picks now, after asking those that are due whether they are ready."""
        assert trip.route is not None
        assert trip.request is not None
        began, endpoints = self._clock(), trip.route.endpoints
        if self._balancer.suspects:
            yield from self.probes(trip.route, began)
        endpoint = self._balancer.pick(endpoints, began, trip.avoid)
        left = max(LEAST_S, trip.until - began)
        patience = left if len(endpoints) == 1 else self._patience(endpoint, left)
        if patience is None:
            return (yield from self._race(trip, endpoint, began))
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

    def probes(self, route: Route, now: float) -> Iterator[Probe]:
        """For the servers that are due to be asked whether they are ready."""
        for due in self._balancer.due(route.endpoints, now):
            yield Probe(due.address, route.model, route.version)

    def _race(self, trip: Trip, first: Endpoint, began: float) -> Generator[Step, Any, dict[str, Array]]:
        """Send, and to another server too when the first takes long; the first answer counts."""
        assert trip.request is not None
        assert trip.route is not None
        running = {first.address: began}
        try:
            yield Start(first.address, trip.request, max(LEAST_S, trip.until - began), trip.metadata)
            ended: Ended | None = yield Await(self._second_after_s(trip, began))
            if ended is None and self._may_hedge():
                now, trip.hedged = self._clock(), True
                second = self._balancer.pick(trip.route.endpoints, now, {*trip.avoid, first.address})
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

    def _second_after_s(self, trip: Trip, began: float) -> float:
        half = max(LEAST_S, (trip.until - began) / 2)
        return min(SILENT_S if self._hedge_after_s is None else self._hedge_after_s, half)

    def _may_hedge(self) -> bool:
        """Without the option it is a retry: of a server that is not known and says nothing."""
        return (self._retries if self._hedge_after_s is None else self._hedges).take()

    def _patience(self, endpoint: Endpoint, left_s: float) -> float | None:
        """How long to wait for a server that is not the only one: all that is left where no retry could follow; None
        where another one is to be asked meanwhile."""
        usual_s = self._balancer.latency_s(endpoint.address)
        if usual_s is None or self._hedge_after_s is not None:
            return None
        patience = max(SILENT_TIMES * usual_s, min(SILENT_S, left_s / 2))
        return left_s if patience > 0.8 * left_s or self._retries.empty else patience

    def _answered(self, trip: Trip, address: str, began: float) -> None:
        now = self._clock()
        self._balancer.done(address, now, Outcome.ANSWERED, now - began)
        if self._retries.spent:
            self._retries.earn()
        if self._hedge_after_s is not None:
            self._hedges.earn()
        trip.address = address
        if trip.attempts or trip.watched:
            trip.attempts += (Attempt(address, now - began, None),)

    def _failed(self, trip: Trip, address: str, began: float, error: SeatrialError, *, silent: bool = False) -> None:
        found = meaning_of(error)
        outcome = found.outcome if found is not None else Outcome.FAILED
        outcome = Outcome.SILENT if outcome is Outcome.LATE and silent else outcome
        seconds = self._ended(address, began, outcome)
        trip.attempts += (Attempt(address, seconds, error),)
        trip.avoid |= {address}

    def _abandoned(self, trip: Trip, address: str, began: float) -> None:
        seconds = self._ended(address, began, Outcome.ABANDONED)
        trip.attempts += (Attempt(address, seconds, None, given_up=True),)

    def _ended(self, address: str, began: float, outcome: Outcome) -> float:
        now = self._clock()
        self._balancer.done(address, now, outcome, now - began)
        return now - began
