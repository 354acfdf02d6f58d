"""How long a server takes to answer, and by how much one is slower than another (pure)."""

from __future__ import annotations

import math

MEMORY_S = 5.0
"""What a server did this long ago counts for a third: a slow one is noticed, and given another try, within seconds."""

LEAST_SHARE = 0.05
"""Of one answer in the estimate, however many there are."""

LEAST_S = 1e-6
"""No server answers in less, and the ratio of two stays a number."""

NOTICED = 3.0
"""Servers of one kind, and answers to small and large requests, differ by less than this on average."""


class Latency:
    """An average that follows the answers, with its age. `seconds` is None before the first one."""

    __slots__ = ("at", "seconds")

    def __init__(self) -> None:
        self.seconds: float | None = None
        self.at = 0.0

    def add(self, seconds: float, now: float) -> None:
        if seconds < LEAST_S:
            seconds = LEAST_S
        if self.seconds is None:
            self.seconds = seconds
        else:
            share = 1.0 - math.exp((self.at - now) / MEMORY_S)
            self.seconds += (share if share > LEAST_SHARE else LEAST_SHARE) * (seconds - self.seconds)
        self.at = now


def slowdown(one: Latency, other: Latency, weights: float, now: float) -> float:
    """How many times slower than `other` the server `one` is: above 1 for a slower, below 1 for a faster one, and 1
    where they differ by less than NOTICED or it is not known. `weights`: that of one to that of the other.

    A server of twice the weight answers in half the time, or in the same time twice as often: whichever is to its
    favour is taken as the rule. What was measured long ago counts for nothing, so that a slow server is tried again.
    """
    if not one.seconds or not other.seconds:
        return 1.0
    ratio = one.seconds / other.seconds
    if min(ratio, ratio * weights) > NOTICED:
        return _faded(min(ratio, ratio * weights), now - one.at)
    if max(ratio, ratio * weights) < 1 / NOTICED:
        return 1 / _faded(1 / max(ratio, ratio * weights), now - other.at)
    return 1.0


def _faded(factor: float, age_s: float) -> float:
    left = 1.0 + (factor - 1.0) * math.exp(-max(0.0, age_s) / MEMORY_S)
    return left if left > NOTICED else 1.0
