"""Is a new replica as fast at first as it stays? Rounds of requests are compared (pure)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

LIMIT = 1.5
"""How far a first p99 may be from the steady one, as a ratio."""

ROUND_S = 1.0
LEAST, MOST = 20, 100
"""Requests in a round: as many as a second holds. The p99 of so few is nearly the slowest of them."""

ROUNDS = 30
"""After so many without two that are alike, the replica, or the machine, has no steady latency."""


class Round(BaseModel):
    """Requests sent one after the other, and the 99th percentile of their latencies in milliseconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: int
    p99_ms: float


class Warmth(BaseModel):
    """What was seen of one replica, round by round, from its first request on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    replica: str
    rounds: tuple[Round, ...]

    @property
    def ratio(self) -> float | None:
        """The p99 of the last two rounds, the larger over the smaller.

        The first of the two is what clients would have met, had they come then; the second is what came after it. When
        they are alike the replica has become steady.
        """
        if len(self.rounds) < 2:
            return None
        first, steady = sorted(found.p99_ms for found in self.rounds[-2:])
        return steady / max(first, 1e-6)

    @property
    def warm(self) -> bool:
        return self.ratio is not None and self.ratio <= LIMIT

    @property
    def sentence(self) -> str:
        """One line, with the numbers."""
        sent, last = sum(found.requests for found in self.rounds), self.rounds[-1]
        if self.ratio is None:
            return f"{self.replica}: {sent} requests, p99 {last.p99_ms:.1f} ms: too few to compare"
        before = self.rounds[-2]
        return (
            f"{self.replica}: first p99 {before.p99_ms:.1f} ms, then {last.p99_ms:.1f} ms: {self.ratio:.2f} times "
            f"(limit {LIMIT:g}), {sent} requests in {len(self.rounds)} rounds, the very first "
            f"{self.rounds[0].p99_ms:.1f} ms"
        )


def round_of(latencies_s: Sequence[float]) -> Round:
    return Round(requests=len(latencies_s), p99_ms=round(float(np.percentile(latencies_s, 99)) * 1000, 3))


def round_is_over(latencies_s: Sequence[float]) -> bool:
    """Whether a round has what it needs: ROUND_S of requests, but LEAST to MOST of them."""
    sent = len(latencies_s)
    return sent >= MOST or (sent >= LEAST and sum(latencies_s) >= ROUND_S)
