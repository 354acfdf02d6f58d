"""Which server gets the next request (pure but for its own randomness; the time is passed in).

Power of two choices (Mitzenmacher 2001): a server is drawn in proportion to the weights, and a second one; the second
gets the request if that gives it no more than the first has already, in (outstanding + 1) / weight. So a server's share
is its weight's at any load. (With both drawn alike, shares were further off and p99 was up to 10 % higher: simulated,
open loop, servers of 3, 1 and 1.)

A server that is slower than the other of the pair counts for less (see latency.py). One that cannot be reached, or
failed several times in a row, is out until it has answered a readiness question; the pauses between questions grow.
Then it gets one request at a time until one was answered. The last one is never left out.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum

from seatrial.client.latency import Latency, slowdown
from seatrial.client.routes import Endpoint

PAUSES_S = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""From a failure to the readiness question, and between questions; the longer the more often."""

IN_A_ROW = 5
"""Failures of a server that answers: one is the request's fault more often than the server's."""

ANSWER_S = 1.0
"""For a readiness answer. A server that needs longer is not ready for more."""

SHED_S = 0.1
"""A server that sheds load answers fast, and must not draw traffic by that."""


_LIGHTEST = 1e-6


class Outcome(Enum):
    """What a request's end says about its server."""

    ANSWERED = "answered"
    REFUSED = "refused"  # an error that is the request's fault: the server is well
    FAILED = "failed"
    SHED = "shed"
    LATE = "late"  # no answer in the caller's time
    SILENT = "silent"  # no answer in many times the usual
    UNREACHABLE = "unreachable"
    ABANDONED = "abandoned"  # the caller did not wait for it


_AT_LEAST = (Outcome.LATE, Outcome.SILENT, Outcome.ABANDONED)
"""Would have taken longer than they did."""


@dataclass
class _State:
    outstanding: int = 0
    in_a_row: int = 0
    times_out: int = 0
    ask_at: float | None = None  # out, and asked for readiness from this moment on
    shed_until: float = 0.0
    latency: Latency = field(default_factory=Latency)

    @property
    def suspect(self) -> bool:
        return bool(self.times_out or self.shed_until)

    def usable(self, now: float) -> bool:
        return self.ask_at is None and self.shed_until <= now and not (self.times_out and self.outstanding)


@dataclass(frozen=True)
class EndpointState:
    """One server as its client sees it."""

    address: str
    weight: float
    outstanding: int
    out: bool
    latency_s: float | None


class Balancer:
    """Remembers, for each address, what is outstanding and how it did. Safe for many threads."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._states: dict[str, _State] = {}
        self._suspects: set[str] = set()  # empty almost always, and then nothing below looks at every server

    def pick(self, endpoints: Sequence[Endpoint], now: float, avoid: Collection[str] = ()) -> Endpoint:
        """The server for one request, which counts as outstanding until `done`. `avoid`: tried already, if possible."""
        with self._lock:
            usable = self._usable(endpoints, now, avoid) if self._suspects or avoid else endpoints
            chosen = usable[0] if len(usable) == 1 else self._better_of_two(usable, now)
            self._state(chosen.address).outstanding += 1
            return chosen

    def done(self, address: str, now: float, outcome: Outcome, seconds: float) -> None:
        """The request that was outstanding for `seconds` has ended."""
        with self._lock:
            state = self._state(address)
            state.outstanding = max(0, state.outstanding - 1)
            if outcome is Outcome.ANSWERED or (outcome in _AT_LEAST and seconds > (state.latency.seconds or 0.0)):
                state.latency.add(seconds, now)
            if outcome is Outcome.ANSWERED and not (state.in_a_row or state.times_out or state.shed_until):
                return
            _AFTER[outcome](state, now)
            if state.suspect:
                self._suspects.add(address)
            else:
                self._suspects.discard(address)

    def due(self, endpoints: Sequence[Endpoint], now: float) -> list[Endpoint]:
        """The servers to ask for readiness now; each is told once, until `ready` or its next pause."""
        if not self._suspects:
            return []
        with self._lock:
            return [endpoint for endpoint in endpoints if _ask(self._state(endpoint.address), now)]

    def ready(self, address: str, now: float, answer: bool) -> None:
        """What a server said to the readiness question: false also when it said nothing."""
        with self._lock:
            state = self._state(address)
            if state.ask_at is not None:
                state.ask_at = None if answer else now + _pause(state)

    def usable(self, endpoints: Sequence[Endpoint], now: float) -> bool:
        """Whether any of them is neither out nor shedding."""
        with self._lock:
            return any(self._state(endpoint.address).usable(now) for endpoint in endpoints)

    def latency_s(self, address: str) -> float | None:
        """The usual time of an answer; None before the first."""
        state = self._states.get(address)
        return None if state is None else state.latency.seconds

    def states(self, endpoints: Sequence[Endpoint]) -> list[EndpointState]:
        with self._lock:
            return [_shown(endpoint, self._states.get(endpoint.address, _State())) for endpoint in endpoints]

    def keep(self, addresses: Collection[str]) -> list[str]:
        """Forget every other address without an outstanding request; returns those."""
        with self._lock:
            gone = [a for a, state in self._states.items() if a not in addresses and not state.outstanding]
            for address in gone:
                del self._states[address]
                self._suspects.discard(address)
            return gone

    def _usable(self, endpoints: Sequence[Endpoint], now: float, avoid: Collection[str]) -> Sequence[Endpoint]:
        healthy = [e for e in endpoints if self._state(e.address).usable(now)]
        fresh = [e for e in endpoints if e.address not in avoid]
        return [e for e in healthy if e.address not in avoid] or healthy or fresh or endpoints

    def _better_of_two(self, endpoints: Sequence[Endpoint], now: float) -> Endpoint:
        first = self._drawn(endpoints)
        at = int(self._random.random() * (len(endpoints) - 1))
        second = endpoints[at] if endpoints[at] is not first else endpoints[-1]
        one, other = self._state(first.address), self._state(second.address)
        weights = max(first.weight, _LIGHTEST) / max(second.weight, _LIGHTEST)
        factor = slowdown(one.latency, other.latency, weights, now)
        first_has = factor * (one.outstanding + (factor > 1.0))  # a slower one is left even when it is idle
        return second if first_has and first_has >= (other.outstanding + 1) * weights else first

    def _drawn(self, endpoints: Sequence[Endpoint]) -> Endpoint:
        """One at random in proportion to its weight (by rejection: no sum over all servers)."""
        random, count = self._random.random, len(endpoints)
        heaviest = max([endpoint.weight for endpoint in endpoints])
        while True:
            endpoint = endpoints[int(random() * count)]
            if max(endpoint.weight, _LIGHTEST) >= heaviest * random():
                return endpoint

    def _state(self, address: str) -> _State:
        state = self._states.get(address)
        if state is None:
            state = self._states[address] = _State()
        return state


def _ask(state: _State, now: float) -> bool:
    """Whether to ask now; the next time then comes with the answer, or after ANSWER_S without one."""
    if state.ask_at is None or state.ask_at > now:
        return False
    state.ask_at = now + ANSWER_S
    return True


def _well(state: _State, _now: float) -> None:
    state.in_a_row, state.times_out, state.shed_until = 0, 0, 0.0


def _failed(state: _State, now: float) -> None:
    state.in_a_row += 1
    if state.in_a_row >= IN_A_ROW or state.times_out:
        _out(state, now)


def _shed(state: _State, now: float) -> None:
    state.shed_until = now + SHED_S


def _out(state: _State, now: float) -> None:
    if state.ask_at is None:  # one death fails many calls at once: it counts once
        state.ask_at = now + _pause(state)


def _pause(state: _State) -> float:
    state.times_out += 1
    return PAUSES_S[min(state.times_out, len(PAUSES_S)) - 1]


def _nothing(_state: _State, _now: float) -> None:
    pass


_AFTER: dict[Outcome, Callable[[_State, float], None]] = {
    Outcome.ANSWERED: _well,
    Outcome.REFUSED: _well,
    Outcome.FAILED: _failed,
    Outcome.SHED: _shed,
    Outcome.LATE: _failed,
    Outcome.SILENT: _out,
    Outcome.UNREACHABLE: _out,
    Outcome.ABANDONED: _nothing,
}


def _shown(endpoint: Endpoint, state: _State) -> EndpointState:
    return EndpointState(
        endpoint.address, endpoint.weight, state.outstanding, state.ask_at is not None, state.latency.seconds
    )
