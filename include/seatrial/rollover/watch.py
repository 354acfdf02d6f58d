"""Watching a promoted version: counts of its servers in, a verdict with its arithmetic out (pure).

Errors. Failures come in bursts: one caller with one odd input fails again and again. So the failures between two looks
count once, and a watch weighs as many independent requests as it has bursts for its failures (methods, section 1, step
5). An exact binomial test asks how likely so many bursts would be at the promised share. A breach is a chance below
CHANCE and LEAST_BURSTS bursts in LEAST_REQUESTS requests: 1 failure of 3 proves nothing. It is asked at every look,
which is what so small a CHANCE is for: a version exactly at the promised share is rolled back in fewer than 1 of 200
simulated watches of 300 looks, one that fails 7 % of 10 requests a second within 20 s (test_watch.py).

Latency. Triton tells percentiles of the last minute. Where its p90 is above the objective's limit, at least 9 % of that
minute's requests were later (CERTAIN: less the summary's own error). Requests of one second share its fate, so a minute
is 60 observations at most, and the same test holds them against what the objective allows. A minute counts only when
the load was within the measured capacity and no measurement ran on the same cores: for that it was promised. A server's
latency is less than its client's, so the test errs on the version's side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from seatrial.profiling.late import at_least
from seatrial.rollover.promise import Promise
from seatrial.serving.triton_metrics import SUMMARY

CHANCE = 1e-4
LEAST_BURSTS, LEAST_REQUESTS = 5, 20
MINUTE_S = 60.0
CERTAIN = {quantile: 1 - quantile - error for quantile, error in SUMMARY.items()}
"""The share of requests that is certainly slower than a quantile of a server's summary: 9 % than its p90."""


@dataclass(frozen=True)
class Seen:
    """What a watch has counted so far. `bursts`: looks in which a request failed. Of whole minutes in which latency
    counts: their number, their requests, `seconds` (observations, 60 a minute at most) and how many were too late."""

    requests: int = 0
    failures: int = 0
    bursts: int = 0
    minutes: int = 0
    in_minutes: int = 0
    seconds: int = 0
    late_seconds: float = 0.0
    left_out: int = 0

    def look(self, requests: int, failures: int) -> Seen:
        """`requests` more, of which `failures` failed."""
        return replace(
            self,
            requests=self.requests + requests,
            failures=self.failures + failures,
            bursts=self.bursts + (failures > 0),
        )

    def minute(self, requests: int, late_share: float) -> Seen:
        """One more minute: `late_share` of its requests were certainly later than the objective allows."""
        seconds = min(int(MINUTE_S), requests)
        return replace(
            self,
            minutes=self.minutes + 1,
            in_minutes=self.in_minutes + requests,
            seconds=self.seconds + seconds,
            late_seconds=self.late_seconds + late_share * seconds,
        )

    def leave_out(self) -> Seen:
        """A minute that says nothing of the version: more load than was measured, or other work on its cores."""
        return replace(self, left_out=self.left_out + 1)


@dataclass(frozen=True)
class Finding:
    """One part of a verdict: whether the promise is broken, and the numbers as a sentence."""

    breach: bool
    sentence: str


def late_share(quantiles_ms: Mapping[float, float], limit_ms: float) -> float:
    """The share of requests certainly later than the limit, from a summary's quantiles (NaN: there were none)."""
    return max((CERTAIN[quantile] for quantile, value in quantiles_ms.items() if value > limit_ms), default=0.0)


def findings(seen: Seen, promise: Promise) -> tuple[Finding, ...]:
    return (_errors(seen, promise), _latency(seen, promise))


def _errors(seen: Seen, promise: Promise) -> Finding:
    text = f"{seen.failures} of {seen.requests} requests failed, {promise.said}"
    if (
        seen.bursts < LEAST_BURSTS
        or seen.requests < LEAST_REQUESTS
        or seen.failures <= promise.error_share * seen.requests
    ):
        return Finding(False, text)
    independent = max(seen.bursts, round(seen.requests * seen.bursts / seen.failures))
    chance = at_least(seen.bursts, independent, promise.error_share)
    return Finding(
        chance < CHANCE,
        f"{text}; as {seen.bursts} bursts in {independent} independent requests, chance {chance:.1g}"
        f" (limit {CHANCE:g})",
    )


def _latency(seen: Seen, promise: Promise) -> Finding:
    objective = promise.objective
    limit = f"the objective is p{objective.percentile:g} within {objective.latency_ms:g} ms"
    if promise.rate_per_replica is None:
        return Finding(False, f"{limit}, but no capacity was measured for it")
    if not seen.minutes:
        return Finding(False, f"{limit}; no whole minute to judge" + _left_out(seen))
    late, allowed = math.floor(seen.late_seconds), 1 - objective.percentile / 100
    chance = at_least(late, seen.seconds, allowed)
    share = seen.late_seconds / max(1, seen.seconds)
    return Finding(
        late >= LEAST_BURSTS and chance < CHANCE,
        f"at least {share:.1%} of {seen.in_minutes} requests in {seen.minutes} min were later than"
        f" {objective.latency_ms:g} ms, limit {allowed:.1%}; as {late} of {seen.seconds} s, chance {chance:.1g}"
        f" (limit {CHANCE:g})" + _left_out(seen),
    )


def _left_out(seen: Seen) -> str:
    return f"; {seen.left_out} min left out: too much load, or other work on the cores" if seen.left_out else ""
