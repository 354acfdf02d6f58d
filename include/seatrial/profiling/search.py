"""Which rate to try next, and when the answer is known (pure). Source: methods, section 1.

The queue model proposes: it is fitted to the service times of everything measured so far, and a level at 95 % of its
answer is measured. Levels decide: the answer lies between the highest rate that kept the objective and the lowest that
did not. Each level also makes the model better, so that two or three of them are enough where bisection needs eight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from seatrial.profiling.arrivals import POISSON, Gaps
from seatrial.profiling.queue import Queue
from seatrial.profiling.queue_model import highest_rate, relative_error, seen_of_true

CAUTION = 0.95  # share of the model's answer that is measured
AGREES = 1.10  # a level that kept the objective this close below that share settles the answer
NEXT_TO = 1.06  # so does a level that did not keep it this close above one that did
FAR = 1.5  # times a level that kept it: where one that did not lies further above, the model was wrong about something
HIGHER = 1.1  # upper end of the interval above an answer of the levels where none of them failed
SURE = 2.0  # standard errors to both sides of the model's answer
MODEL_ERROR = 0.02  # of its answer, where chance plays no part
UNSTEADY = 0.03  # the same of a quiet machine's speed within ten minutes, of which a search sees 15 s (ADR 15)
UNSEEN_ERROR = 0.08  # of the model's answer, where it knows idle and saturation alone
LOWEST = 0.1  # share of mu below which no rate is tried: nobody would pay for such a replica


@dataclass
class Search:
    """`mu`: saturation throughput in requests/s; `limit_s`, `percentile`, `gaps`: the objective. `low`: the highest
    rate that kept it (0: none yet); `high`: the lowest that did not, at first mu, where a queue never ends."""

    mu: float
    queue: Queue
    limit_s: float
    percentile: float
    gaps: Gaps = POISSON
    services_s: list[float] = field(default_factory=list)
    low: float = 0.0
    high: float = field(init=False)
    predicted: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.high = self.mu

    def learn(self, services_s: Sequence[float]) -> None:
        """Fit the model to these service times too."""
        self.services_s.extend(services_s)
        self.predicted = highest_rate(self.services_s, self.queue, self.limit_s, self.percentile, gaps=self.gaps)

    def decide(self, rate: float, *, held: bool) -> None:
        if held:
            self.low = max(self.low, rate)
        else:
            self.high = min(self.high, rate)

    @property
    def method(self) -> Literal["model", "live", "infeasible"] | None:
        """Who gave the answer; None while there is none."""
        if not self.low:
            return "infeasible" if self.high <= LOWEST * self.mu else None
        if CAUTION * self.predicted <= AGREES * self.low and (self.high == self.mu or self.high <= FAR * self.low):
            return "model"
        return "live" if self.high <= NEXT_TO * self.low else None

    @property
    def expected(self) -> float:
        """What the model expects before any level was measured; 0 where that is less than anybody would pay for."""
        return self.predicted if self.predicted > LOWEST * self.mu else 0.0

    @property
    def answer(self) -> float:
        """The highest rate that keeps the objective, requests/s: the model's where a level agrees with it."""
        close = min(self.predicted, AGREES * self.low, self.high)
        return max(self.low, close) if self.method == "model" else self.low

    def unsure(self) -> float:
        """Standard error of the model's answer by what it was fitted to, as a share of it: takes a second at most."""
        return relative_error(self.predicted, self.services_s, self.queue, self.limit_s, gaps=self.gaps)

    def seen_of_true(self, percentiles: Sequence[float], rate: float, requests: int) -> list[tuple[float, float]]:
        """As of `queue_model.seen_of_true`, of a level of so many requests."""
        return seen_of_true(percentiles, rate, self.services_s, self.queue, requests, gaps=self.gaps)

    def interval(self) -> tuple[float, float]:
        """Between which rates the true one lies: by the model's own error and the machine's where a level agrees with
        it, else between the levels."""
        if self.method != "model":
            return self.low, min(self.high, HIGHER * self.answer)
        return self._around(self.answer, math.hypot(MODEL_ERROR, UNSTEADY))

    def interval_unseen(self) -> tuple[float, float]:
        """The same of what the model expects before any level was measured."""
        return self._around(self.expected, UNSEEN_ERROR)

    def _around(self, rate: float, error: float) -> tuple[float, float]:
        apart = SURE * math.hypot(self.unsure(), error)
        return rate * max(0.0, 1 - apart), max(rate, min(self.mu, rate * (1 + apart)))

    def next_rate(self) -> float:
        """What the model proposes, where that lies well between what is known; else the middle."""
        proposed = CAUTION * self.predicted
        if 1.02 * self.low < proposed < 0.98 * self.high and proposed > LOWEST * self.mu:
            return proposed
        return (self.low + self.high) / 2 if self.low else max(LOWEST * self.mu, 0.7 * self.high)
