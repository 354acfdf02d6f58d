"""From readings of a version's replicas, look after look, to what a watch has seen of it. Moments are passed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.rollover.promise import Promise
from seatrial.rollover.watch import MINUTE_S, Seen, late_share
from seatrial.serving.triton_metrics import Reading

Readings = Mapping[str, Reading]
"""By replica: those that answered."""


@dataclass
class Counting:
    """Counts from the first look on: what a replica did before, in Staging say, is no part of it."""

    promise: Promise
    seen: Seen = field(default_factory=Seen)
    _last: Readings = field(default_factory=dict)
    _minute: Readings = field(default_factory=dict)
    _minute_began: float = 0.0
    _disturbed: bool = False

    def look(self, readings: Readings, *, disturbed: bool, now: float) -> None:
        """`disturbed`: other work runs on the replicas' cores. `now`: monotonic seconds."""
        requests, failures = _difference(self._last, readings)
        self.seen = self.seen.look(requests, failures)
        self._last, self._disturbed = readings, self._disturbed or disturbed
        if not self._minute:
            self._begin_minute(readings, now)
        elif now - self._minute_began >= MINUTE_S:
            self._end_minute(readings, now - self._minute_began)
            self._begin_minute(readings, now)

    def _begin_minute(self, readings: Readings, now: float) -> None:
        self._minute, self._minute_began, self._disturbed = readings, now, False

    def _end_minute(self, readings: Readings, seconds: float) -> None:
        """Each replica's percentiles weigh as many requests as it had."""
        if self.promise.rate_per_replica is None:
            return
        sent = {
            name: readings[name].requests - self._minute[name].requests for name in readings if name in self._minute
        }
        requests = sum(sent.values())
        if self._disturbed or requests > self.promise.rate_per_replica * len(sent) * seconds:
            self.seen = self.seen.leave_out()
        elif requests:
            limit_ms = self.promise.objective.latency_ms
            late = sum(late_share(readings[name].quantiles_ms, limit_ms) * count for name, count in sent.items())
            self.seen = self.seen.minute(requests, late / requests)


def _difference(before: Readings, now: Readings) -> tuple[int, int]:
    """Requests and failures since, of the replicas that answered both times."""
    both = [(before[name], found) for name, found in now.items() if name in before]
    requests = sum(found.requests - last.requests for last, found in both)
    return requests, sum(found.failures - last.failures for last, found in both)
