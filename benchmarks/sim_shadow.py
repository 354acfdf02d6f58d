"""The shadow verdict's error rates and sample sizes on simulated requests: `make sim-shadow`.

10 000 comparisons for each share of requests that a candidate answers otherwise, judged as a replay judges them: every
50 requests, PASS from 200 on, given up after 5000. Beside it what Wald's theory says of the test without those limits,
a test of a fixed size with the same error rates, and what people do by eye: refuse above 1 % of 200 requests. The first
where Production always answers itself alike, and where it differs from itself in 1 and in 5 % of the requests.

The last line is one JSON object: for each share `refused`, `accepted`, `undecided` (shares of the comparisons) and mean
`requests`, of each way. `ok`: at p_good at most alpha are refused and at p_bad at most beta are accepted, with and
without noise.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import Any

import numpy as np

from seatrial.profiling.late import at_least
from seatrial.shadow.gathered import CHECK_EVERY
from seatrial.shadow.limits import Limits, limits_for
from seatrial.shadow.sequential import Mismatches, excess_evidence, wald_bounds

SHARES = (0.0005, 0.001, 0.005, 0.01, 0.02)
NOISES = (0.0, 0.01, 0.05)
BY_EYE, BY_EYE_REQUESTS = 0.01, 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    arguments = parser.parse_args()
    limits = limits_for({})
    found: dict[str, Any] = {}
    for share in SHARES:
        random = np.random.default_rng(round(1e6 * share))
        row = {
            **{f"noise {noise:g}": sequential(share, noise, limits, arguments.trials, random) for noise in NOISES},
            "theory": wald(share, limits),
            "fixed": fixed(share, *fixed_plan(limits)),
            "by_eye": fixed(share, BY_EYE_REQUESTS, int(BY_EYE * BY_EYE_REQUESTS)),
        }
        found[f"{share:g}"] = row
        for name, said in row.items():
            print(f"{share:8.2%}  {name:17}" + "  ".join(f"{key} {value:g}" for key, value in said.items()), flush=True)
    good, bad = found[f"{limits.p_good:g}"], found[f"{limits.p_bad:g}"]
    ways = [f"noise {noise:g}" for noise in NOISES]
    ok = all(good[way]["refused"] <= limits.alpha and bad[way]["accepted"] <= limits.beta for way in ways)
    print(json.dumps({**found, "ok": ok}))
    return 0 if ok else 1


def sequential(
    share: float, noise: float, limits: Limits, trials: int, random: np.random.Generator
) -> dict[str, float]:
    """As a replay does it: A, A′ and B of each request; with `noise`, A′ and B differ by chance as often too."""
    accept, reject = wald_bounds(limits.alpha, limits.beta, noise=noise > 0)
    ended = {"refused": 0, "accepted": 0, "undecided": 0}
    requests = 0
    for _ in range(trials):
        said, sent = _one(share, noise, limits, accept, reject, random)
        ended[said] += 1
        requests += sent
    return {**{said: count / trials for said, count in ended.items()}, "requests": round(requests / trials, 1)}


def _one(
    share: float, noise: float, limits: Limits, accept: float, reject: float, random: np.random.Generator
) -> tuple[str, int]:
    chances = [share + noise * (1 - noise), noise * (1 - noise), noise * noise]  # only B, only A′, both
    only_b, only_a, both, sent = 0, 0, 0, 0
    while sent < limits.max_requests:
        b, a, two, _ = random.multinomial(CHECK_EVERY, [*chances, 1 - sum(chances)])
        only_b, only_a, both, sent = only_b + int(b), only_a + int(a), both + int(two), sent + CHECK_EVERY
        evidence = excess_evidence(Mismatches(sent, only_b, only_a, both), limits.p_good, limits.p_bad, noise=noise > 0)
        if evidence >= reject:
            return "refused", sent
        if evidence <= accept and sent >= limits.min_requests:
            return "accepted", sent
    return "undecided", sent


def wald(share: float, limits: Limits) -> dict[str, float]:
    """Operating characteristic and mean size of the sequential test (Wald 1945, sections 3.4 and 3.5)."""
    accept, reject = wald_bounds(limits.alpha, limits.beta)
    up, down = math.log(limits.p_bad / limits.p_good), math.log((1 - limits.p_bad) / (1 - limits.p_good))
    power = _power(share, up, down)
    accepted = (math.exp(power * reject) - 1) / (math.exp(power * reject) - math.exp(power * accept))
    drift = share * up + (1 - share) * down
    size = (accepted * accept + (1 - accepted) * reject) / drift
    return {"refused": round(1 - accepted, 4), "accepted": round(accepted, 4), "requests": round(size, 1)}


def _power(share: float, up: float, down: float) -> float:
    """The h other than 0 with E[exp(h·z)] = 1, z the evidence of one request: by bisection on its side of 0."""

    def beyond(power: float) -> float:
        return share * math.exp(power * up) + (1 - share) * math.exp(power * down) - 1

    sign = -1.0 if share * up + (1 - share) * down > 0 else 1.0
    near, far = 1e-6 * sign, 50.0 * sign
    for _ in range(200):
        middle = (near + far) / 2
        near, far = (middle, far) if beyond(middle) < 0 else (near, middle)
    return (near + far) / 2


def fixed_plan(limits: Limits) -> tuple[int, int]:
    """The smallest (requests, mismatches still accepted) with the same error rates."""
    for most in range(200):
        requests = next(n for n in range(most + 1, 100_000) if _at_most(most, n, limits.p_bad) <= limits.beta)
        if 1 - _at_most(most, requests, limits.p_good) <= limits.alpha:
            return requests, most
    raise AssertionError("there is a plan for any two different shares")


def fixed(share: float, requests: int, most: int) -> dict[str, float]:
    accepted = _at_most(most, requests, share)
    return {"refused": round(1 - accepted, 4), "accepted": round(accepted, 4), "requests": requests}


def _at_most(most: int, of: int, share: float) -> float:
    """Chance of at most so many mismatches."""
    return 1 - at_least(most + 1, of, share)


if __name__ == "__main__":
    sys.exit(main())
