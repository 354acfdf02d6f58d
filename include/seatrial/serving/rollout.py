"""What to do next for one deployment: how many replicas to start and which to end. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FAILURES_LIMIT = 3
"""After so many failures in a row a deployment is called failed. It is still tried, every minute at the end."""

STEADY_S = 600.0
"""A replica that was ready for so long begins the row of failures anew. Long, because a model that ends its server
after so many requests may take minutes to get there, again and again."""


@dataclass(frozen=True)
class Seen:
    """One replica. `fits`: it runs what is wanted (model, files and hardware option)."""

    id: str
    fits: bool
    state: Literal["starting", "ready", "draining", "failed"]


@dataclass(frozen=True)
class Actions:
    """`start` new replicas, `drain` those in use, `remove` those that failed."""

    start: int = 0
    drain: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


def next_actions(wanted: int, seen: Sequence[Seen], may_start: bool) -> Actions:
    """Bring `seen` (oldest first) towards `wanted` fitting replicas.

    A ready replica is ended only when all that are wanted are ready without it, so what serves goes on serving until
    its successors do: scaling, a new hardware option and replacing the dead never take an endpoint away too early.
    """
    ready = [replica.id for replica in seen if replica.fits and replica.state == "ready"]
    starting = [replica.id for replica in seen if replica.fits and replica.state == "starting"]
    unfit = [replica for replica in seen if not replica.fits and replica.state in ("starting", "ready")]
    missing = max(0, wanted - len(ready))
    done = missing == 0
    drain = [
        *ready[wanted:],
        *starting[missing:],
        *(replica.id for replica in unfit if done or replica.state == "starting"),
    ]
    return Actions(
        start=max(0, missing - len(starting)) if may_start else 0,
        drain=tuple(drain),
        remove=tuple(replica.id for replica in seen if replica.state == "failed"),
    )


@dataclass(frozen=True)
class Failures:
    """Replicas that failed in a row, at their start or after it, on the monotonic clock in seconds."""

    count: int = 0
    last_at: float = 0.0

    def after(self, created: float, was_ready_s: float, now: float) -> Failures:
        """One more replica failed: asked for at `created`, ready for `was_ready_s`.

        Replicas started together that fail together are one failure; one that had been steady starts the row anew.
        """
        if self.count and created <= self.last_at and was_ready_s < STEADY_S:
            return self
        return Failures(1 if was_ready_s >= STEADY_S else self.count + 1, now)

    def pause_s(self) -> float:
        """Until the next start: 0.5 s, 1 s, then 10 s doubled up to a minute."""
        if self.count < FAILURES_LIMIT:
            return 0.5 * self.count
        return min(60.0, 10.0 * 2.0 ** min(self.count - FAILURES_LIMIT, 10))

    def may_start(self, now: float) -> bool:
        return self.count == 0 or now >= self.last_at + self.pause_s()

    @property
    def gave_up(self) -> bool:
        return self.count >= FAILURES_LIMIT
