"""When is it known whether a candidate answers differently? Sequential tests on counts. Pure.

Every request goes to Production twice (A, A′) and to the candidate once (B). A mismatch counts as the candidate's own
as far as m(A,B) exceeds m(A,A′): P(only B differs) − P(only A′ differs).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

FOR_NOISE = 0.7
"""Without it 7 of 100 good candidates are refused at alpha = 5 % where Production differs from itself in 1 or 5 % of
the requests, with it 3 to 5 (`make sim-shadow`). A bound that holds whatever the rates are (an e-process by universal
inference) refuses none, and leaves a quarter of them undecided after 5000 requests."""


@dataclass(frozen=True)
class Mismatches:
    """Of `requests` compared: where only B differs from A, where only A′ does, where both do (A is the odd one)."""

    requests: int
    candidate_only: int
    noise_only: int
    both: int

    @property
    def excess(self) -> float:
        """m(A,B) − m(A,A′) as a share of the requests."""
        return (self.candidate_only - self.noise_only) / self.requests if self.requests else 0.0


def excess_evidence(found: Mismatches, p_good: float, p_bad: float, *, noise: bool) -> float:
    """Log likelihood ratio of an excess of p_bad or more against one of p_good.

    Without `noise` (B is compared with a fixed reference) it is Wald's ratio for a Bernoulli share. With it, the rate
    of A′'s own mismatches is unknown; each hypothesis takes the rate that suits it best (a generalised likelihood
    ratio of the trinomial counts). Putting the observed rate in its place instead would reject one good candidate in
    three where Production itself differs in 1 % of the requests (`make sim-shadow`). It takes at least five mismatches
    against none to reject.
    """
    b, a, n = found.candidate_only, found.noise_only, found.requests
    if n == 0:
        return 0.0
    if not noise:
        return b * math.log(p_bad / p_good) + (n - b) * math.log((1 - p_bad) / (1 - p_good))
    bad = max(p_bad, found.excess)
    return _likelihood(b, a, n, bad) - _likelihood(b, a, n, p_good)


def _likelihood(only_b: int, only_a: int, n: int, excess: float) -> float:
    """Highest log likelihood of the counts under a given excess e, over the unknown noise rate u.

    P(only B) = u+e, P(only A′) = u, P(else) = 1−2u−e; the derivative's root is that of 2n·u² − B·u − a·e(1−e) = 0.
    """
    rest = n - only_b - only_a
    linear = (only_b + only_a) * (1 - excess) - 2 * excess * (only_a + rest)
    root = math.sqrt(linear**2 + 8 * n * only_a * excess * (1 - excess))
    u = max(0.0, (linear + root) / (4 * n))
    return _term(only_b, u + excess) + _term(only_a, u) + _term(rest, 1 - 2 * u - excess)


def _term(count: int, p: float) -> float:
    if count == 0:
        return 0.0
    return count * math.log(p) if p > 0 else -math.inf


def wald_bounds(alpha: float, beta: float, *, noise: bool = False) -> tuple[float, float]:
    """Evidence at or below the first accepts, at or above the second rejects (Wald 1945). With `noise` rejection takes
    FOR_NOISE more: a ratio whose hypotheses each take the rate that suits them best exceeds Wald's bound more often."""
    return math.log(beta / (1 - alpha)), math.log((1 - beta) / alpha) + (FOR_NOISE if noise else 0.0)


def requests_to_accept(evidence: float, p_good: float, p_bad: float, alpha: float, beta: float) -> int:
    """About how many more requests without a mismatch lead to acceptance."""
    accept, _ = wald_bounds(alpha, beta)
    step = math.log((1 - p_bad) / (1 - p_good))
    return max(0, math.ceil((accept - evidence) / step))


def excess_share_low(failed: int, of: int, base_failed: int, base_of: int, confidence: float) -> float:
    """One-sided lower bound of the difference of two shares, from Wilson intervals (Newcombe 1998, method 10).

    `base_of` = 0 means that the base is known to be 0, as that of a reference runtime is.
    """
    if of == 0:
        return -1.0
    share, low = failed / of, wilson(failed, of, confidence)[0]
    base, high = (base_failed / base_of, wilson(base_failed, base_of, confidence)[1]) if base_of else (0.0, 0.0)
    return share - base - math.hypot(share - low, high - base)


def wilson(failed: int, of: int, confidence: float) -> tuple[float, float]:
    """Wilson score interval of a share, each end at the one-sided confidence."""
    z2 = NormalDist().inv_cdf(confidence) ** 2
    centre = (failed + z2 / 2) / (of + z2)
    half = math.sqrt(z2 * (failed * (of - failed) / of + z2 / 4)) / (of + z2)
    return max(0.0, centre - half), min(1.0, centre + half)
