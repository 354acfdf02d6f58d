"""Which server gets the next request (pure but for its own randomness and the time that is passed in).

Power of two choices (Mitzenmacher 2001) on (outstanding + 1) / weight. A server that failed is left out with growing
pauses; the last one is never left out.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Collection
from dataclasses import dataclass

from seatrial.client.routes import Endpoint

PAUSES_S = (1.0, 2.0, 5.0, 10.0)


@dataclass
class _State:
    outstanding: int = 0
    failures: int = 0
    out_until: float = 0.0

    def usable(self, now: float) -> bool:
        """Not out; and after a failure one request at a time, until one was answered."""
        return self.out_until <= now and not (self.failures and self.outstanding)


class Balancer:
    """Remembers, for each address, what is outstanding and when it failed. Safe for many threads."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._states: dict[str, _State] = {}

    def pick(self, endpoints: Collection[Endpoint], now: float, avoid: Collection[str] = ()) -> Endpoint:
        """The server for one request, which counts as outstanding until `done`. `avoid`: tried already, if possible."""
        with self._lock:
            healthy = [e for e in endpoints if self._state(e).usable(now)]
            usable = [e for e in healthy if e.address not in avoid] or healthy or list(endpoints)
            pair = self._random.sample(usable, 2) if len(usable) > 1 else usable
            chosen = min(pair, key=lambda e: (self._state(e).outstanding + 1) / max(e.weight, 1e-9))
            self._state(chosen).outstanding += 1
            return chosen

    def done(self, endpoint: Endpoint, now: float, *, reachable: bool) -> None:
        """The request ended. A server that could not be reached is out at once, the longer the more often."""
        with self._lock:
            state = self._state(endpoint)
            state.outstanding = max(0, state.outstanding - 1)
            if reachable:
                state.failures = 0
                return
            if state.out_until > now:  # one death fails many calls at once: it counts once
                return
            state.out_until = now + PAUSES_S[min(state.failures, len(PAUSES_S) - 1)]
            state.failures += 1

    def _state(self, endpoint: Endpoint) -> _State:
        return self._states.setdefault(endpoint.address, _State())
