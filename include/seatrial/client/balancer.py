"""Which server gets the next request (pure but for its own randomness; the time is passed in).

Power of two choices (Mitzenmacher 2001): a server is drawn in proportion to the weights, and a second one; the second
gets the request if that gives it no more than the first has already, in (outstanding + 1) / weight. So a server's share
is its weight's at any load. (With both drawn alike, shares were further off and p99 was up to 10 % higher: simulated,
open loop, servers of 3, 1 and 1.)

A server that is slower than the other of the pair counts for less (see latency.py), and one that does not answer is out
for a while (see health.py); the last one is never left out.
"""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from seatrial.client.health import AT_LEAST, Health, Outcome
from seatrial.client.latency import slowdown
from seatrial.client.routes import Endpoint

_LIGHTEST = 1e-6
_ANSWERED = Outcome.ANSWERED  # each look into an Enum costs as much as taking the lock


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
        self._states: defaultdict[str, Health] = defaultdict(Health)
        self.suspects: set[str] = set()
        """Servers that did something else than answer lately: almost always none, and then nobody looks at each."""

    def pick(self, endpoints: Sequence[Endpoint], now: float, avoid: Collection[str] = ()) -> Endpoint:
        """The server for one request, which counts as outstanding until `done`. `avoid`: tried already, if possible."""
        with self._lock:
            usable = self._usable(endpoints, now, avoid) if self.suspects or avoid else endpoints
            chosen = usable[0] if len(usable) == 1 else self._better_of_two(usable, now)
            self._states[chosen.address].outstanding += 1
            return chosen

    def done(self, address: str, now: float, outcome: Outcome, seconds: float) -> None:
        """The request that was outstanding for `seconds` has ended."""
        with self._lock:
            state = self._states[address]
            if state.outstanding:
                state.outstanding -= 1
            if outcome is _ANSWERED or (outcome in AT_LEAST and seconds > (state.latency.seconds or 0.0)):
                state.latency.add(seconds, now)
            if outcome is _ANSWERED and not (state.in_a_row or state.times_out or state.shed_until):
                return
            state.ended(outcome, now)
            if state.suspect:
                self.suspects.add(address)
            else:
                self.suspects.discard(address)

    def due(self, endpoints: Sequence[Endpoint], now: float) -> list[Endpoint]:
        """The servers to ask for readiness now; each is told once, until `ready` or its next pause."""
        with self._lock:
            return [endpoint for endpoint in endpoints if self._states[endpoint.address].ask(now)]

    def ready(self, address: str, now: float, answer: bool) -> None:
        """What a server said to the readiness question: false also when it said nothing."""
        with self._lock:
            self._states[address].told(now, answer)

    def usable(self, endpoints: Sequence[Endpoint], now: float) -> bool:
        """Whether any of them is neither out nor shedding."""
        with self._lock:
            return any(self._states[endpoint.address].usable(now) for endpoint in endpoints)

    def latency_s(self, address: str) -> float | None:
        """The usual time of an answer; None before the first."""
        state = self._states.get(address)
        return None if state is None else state.latency.seconds

    def states(self, endpoints: Sequence[Endpoint]) -> list[EndpointState]:
        with self._lock:
            return [_shown(endpoint, self._states.get(endpoint.address, Health())) for endpoint in endpoints]

    def keep(self, addresses: Collection[str]) -> list[str]:
        """Forget every other address without an outstanding request; returns those."""
        with self._lock:
            gone = [a for a, state in self._states.items() if a not in addresses and not state.outstanding]
            for address in gone:
                del self._states[address]
                self.suspects.discard(address)
            return gone

    def _usable(self, endpoints: Sequence[Endpoint], now: float, avoid: Collection[str]) -> Sequence[Endpoint]:
        healthy = [e for e in endpoints if self._states[e.address].usable(now)]
        fresh = [e for e in endpoints if e.address not in avoid]
        return [e for e in healthy if e.address not in avoid] or healthy or fresh or endpoints

    def _better_of_two(self, endpoints: Sequence[Endpoint], now: float) -> Endpoint:
        first = self._drawn(endpoints)
        at = int(self._random.random() * (len(endpoints) - 1))
        second = endpoints[at] if endpoints[at] is not first else endpoints[-1]
        one, other = self._states[first.address], self._states[second.address]
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


def _shown(endpoint: Endpoint, state: Health) -> EndpointState:
    return EndpointState(
        endpoint.address, endpoint.weight, state.outstanding, state.ask_at is not None, state.latency.seconds
    )
