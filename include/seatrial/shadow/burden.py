"""What validation may cost Production: a share of a server's time, and nothing once its latency limit is touched
(pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.shadow.sequential import wilson

LAST = 50
"""So many of Production's answers say whether it keeps its promise just now."""


@dataclass(frozen=True)
class Burden:
    """`share` of one of Production's servers that validation takes at most; its objective: `percentile` (50 to 99.99)
    of the answers within `latency_ms`."""

    share: float
    latency_ms: float
    percentile: float

    def rest_s(self, busy_s: float, since_s: float) -> float:
        """How long Production is left alone after `busy_s` of its time were taken in the last `since_s` seconds."""
        return max(0.0, busy_s / self.share - since_s)

    def touched(self, latencies_ms: Sequence[float | None]) -> str:
        """Why to stop, in words, empty while there is no reason: of the last answers surely more are late (or none at
        all) than the objective allows."""
        last = latencies_ms[-LAST:]
        late = sum(ms is None or ms > self.latency_ms for ms in last)
        if not last or wilson(late, len(last), 0.95)[0] <= 1 - self.percentile / 100:
            return ""
        answers = f"{late} of its last {len(last)} requests"
        return f"Production answered {answers} later than the {self.latency_ms:g} ms it promises"
