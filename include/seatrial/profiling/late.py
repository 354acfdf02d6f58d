"""Are there more late requests than the objective allows, or is it chance? Pure. Source: methods, section 1, step 5.

Late requests come in bursts: one pause of the machine or one long queue makes many late at once. So those that were
sent closer together than the objective count once, and a window of `sent` requests weighs as many independent ones as
it has bursts for its late requests.
"""

from __future__ import annotations

import math

import numpy as np

from seatrial.tensors import Array

CHANCE = 0.16  # one-sided, as of one standard error


def bursts(late_sent_s: Array, apart_s: float) -> int:
    """How many groups the late requests make: send moments (seconds, any order) closer than `apart_s` are one group."""
    if not len(late_sent_s):
        return 0
    return 1 + int(np.sum(np.diff(np.sort(late_sent_s)) >= apart_s))


def too_many(late: int, groups: int, sent: int, allowed: float) -> bool:
    """Whether `late` of `sent` requests in `groups` bursts prove a late share above `allowed` (a share, 0 to 1).

    Exact binomial test of the bursts among the independent requests (Clopper and Pearson's lower bound, the other way
    round): too many when so many would be seen with a chance below 16 % at the allowed share.
    """
    if late <= allowed * sent:
        return False
    independent = max(groups, round(sent * groups / late))
    return at_least(groups, independent, allowed) < CHANCE


def at_least(seen: int, of: int, share: float) -> float:
    """Chance of `seen` or more successes of `of` at `share` each."""
    if seen <= 0:
        return 1.0
    if not 0 < share < 1:
        return float(share > 0)
    below = (
        math.exp(
            math.lgamma(of + 1)
            - math.lgamma(k + 1)
            - math.lgamma(of - k + 1)
            + k * math.log(share)
            + (of - k) * math.log1p(-share)
        )
        for k in range(seen)
    )
    return max(0.0, 1.0 - math.fsum(below))
