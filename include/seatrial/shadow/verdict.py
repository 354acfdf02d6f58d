"""From what a replay saw to a verdict (pure). Source: methods, section 4. The whole is the worst of its parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from seatrial.shadow.distribution import FIRST, LEAST_VALUES, NO_CHANGE, Histogram
from seatrial.shadow.latency import latency_ratios
from seatrial.shadow.limits import Limits
from seatrial.shadow.record import Record
from seatrial.shadow.report import Part, Verdict
from seatrial.shadow.sequential import (
    excess_evidence,
    excess_share_low,
    requests_to_accept,
    wald_bounds,
)

MOST_ENDS = 2  # of Staging's server during one comparison; its machine may be restarted once or twice
_WORST: dict[Verdict, int] = {"PASS": 0, "UNDECIDED": 1, "FAIL": 2}
LEAST_PAIRS = 100  # below that a p95 rests on five requests


def tensors_part(seen: Record, limits: Limits, *, noise: bool) -> Part:
    """Sequential test of the share of excess mismatches. PASS not before `min_requests`."""
    found = seen.mismatches
    evidence = excess_evidence(found, limits.p_good, limits.p_bad, noise=noise)
    accept, reject = wald_bounds(limits.alpha, limits.beta, noise=noise)
    verdict: Verdict = "UNDECIDED"
    if evidence >= reject:
        verdict = "FAIL"
    elif evidence <= accept and found.requests >= limits.min_requests:
        verdict = "PASS"
    text = f"{found.candidate_only} of {found.requests} answers differ"
    if noise:
        text += f", Production differs from itself in {found.noise_only}"
    if verdict == "UNDECIDED":
        more = requests_to_accept(evidence, limits.p_good, limits.p_bad, limits.alpha, limits.beta)
        text += f"; about {max(more, limits.min_requests - found.requests)} more requests are needed"
    return Part(
        name="tensors",
        verdict=verdict,
        value=found.excess,
        limit=limits.p_bad,
        samples=found.requests,
        sentence=f"{text} (limit {limits.p_bad:.1%} with {1 - limits.beta:.0%} confidence)",
    )


def errors_part(seen: Record, limits: Limits, *, noise: bool) -> Part:
    """FAIL when the candidate's share of failed requests is above Production's by more than `error_excess`, surely.
    PASS when it surely is not above by `error_bad`: a sequential test, as of the tensors. Without `noise`, the few
    samples of a first version that are sent again and again, no failure is enough."""
    found, of = seen.failures, seen.sent
    failed, base_failed = found.candidate_only + found.both, found.noise_only + found.both
    low = excess_share_low(failed, of, *((base_failed, of) if noise else (0, 0)), limits.error_confidence)
    evidence = excess_evidence(found, limits.error_excess, limits.error_bad, noise=True)
    accept, _ = wald_bounds(limits.alpha, limits.beta, noise=noise)
    verdict: Verdict = "UNDECIDED"
    if low > limits.error_excess:
        verdict = "FAIL"
    elif of and (evidence <= accept or not noise):
        verdict = "PASS"
    text = f"{failed} of {of} requests failed"
    if noise:
        text += f", Production failed {base_failed}"
    if verdict == "UNDECIDED":
        more = requests_to_accept(evidence, limits.error_excess, limits.error_bad, limits.alpha, limits.beta)
        text += f"; about {more} more requests would show that not {limits.error_bad:.1%} do"
    elif verdict == "FAIL":
        text += f" (limit {limits.error_excess:.2%} more, with {limits.error_confidence:.0%} confidence)"
    elif noise:
        text += f" (limit {limits.error_bad:.1%} more, with {1 - limits.beta:.0%} confidence)"
    return Part(
        name="errors",
        verdict=verdict,
        value=(failed - (base_failed if noise else 0)) / of if of else 0.0,
        limit=limits.error_excess,
        samples=of,
        sentence=text,
    )


def latency_part(seen: Record, limits: Limits, *, seed: int) -> Part:
    """PASS when the interval's upper end is within the limit at p50 and p95, FAIL when a lower end is above it."""
    pairs = seen.pairs_s
    if len(pairs) < LEAST_PAIRS:
        return Part(
            name="latency",
            verdict="UNDECIDED",
            value=0.0,
            limit=limits.latency_ratio,
            samples=len(pairs),
            sentence=f"{len(pairs)} answers were given while both servers answered nobody else, too few to compare p95 "
            f"(at least {LEAST_PAIRS})",
        )
    first_s, second_s = zip(*pairs, strict=True)
    ratios = latency_ratios(first_s, second_s, (50, 95), level=limits.latency_interval, seed=seed)
    verdict: Verdict = "UNDECIDED"
    if all(ratio.high <= limits.latency_ratio for ratio in ratios):
        verdict = "PASS"
    elif any(ratio.low > limits.latency_ratio for ratio in ratios):
        verdict = "FAIL"
    shown = ", ".join(f"p{r.percentile:g} {r.value:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in ratios)
    return Part(
        name="latency",
        verdict=verdict,
        value=max(ratio.value for ratio in ratios),
        limit=limits.latency_ratio,
        samples=len(pairs),
        sentence=f"Staging / Production: {shown} (limit {limits.latency_ratio:g})",
    )


def traffic_part(seen: Record, limits: Limits) -> Part:
    """UNDECIDED until enough different captured requests were replayed: `live_share` of `min_requests`."""
    live, needed = list(seen.sources.values()).count("capture"), limits.live_needed
    return Part(
        name="traffic",
        verdict="PASS" if live >= needed else "UNDECIDED",
        value=float(live),
        limit=float(needed),
        samples=seen.sent,
        sentence=f"{live} different live requests were replayed, at least {needed} are needed "
        f"({limits.live_share:.0%} of {limits.min_requests})",
    )


def objective_part(seen: Record, latency_ms: float) -> Part:
    """For a first version there is nothing to compare with: its median must be within the objective."""
    answered = sorted(seen.staging_s)
    middle_ms = answered[len(answered) // 2] * 1000 if answered else math.inf
    return Part(
        name="latency",
        verdict="PASS" if middle_ms <= latency_ms else "FAIL",
        value=round(middle_ms, 3) if answered else 0.0,
        limit=latency_ms,
        samples=len(answered),
        sentence=f"first version: p50 {middle_ms:.1f} ms, the objective allows {latency_ms:g} ms",
    )


def distribution_part(spread: Mapping[str, Histogram], compared: int, limits: Limits) -> Part | None:
    """Whether outputs as a whole go astray. None where nothing is said: too few values of a class that is compared
    element by element, or no numbers among the outputs."""
    values = min((histogram.values for histogram in spread.values()), default=0)
    if values < LEAST_VALUES:
        numbers = bool(spread) or compared < FIRST
        if limits.measure == "element" or not numbers:
            return None
        verdict: Verdict = "UNDECIDED"
        index, text = 0.0, f"{values} values of an output are too few to compare (at least {LEAST_VALUES})"
    else:
        layer, worst_of = max(spread.items(), key=lambda one: one[1].stability)
        index = worst_of.stability
        verdict = "PASS" if index <= limits.stability else "FAIL"
        change = "as before" if index <= NO_CHANGE else "a little differently" if verdict == "PASS" else "differently"
        text = f"{layer} spreads its values {change}: stability index {index:.2g}, distance {worst_of.distance:.2g}"
    return Part(
        name="distribution",
        verdict=verdict,
        value=round(index, 4),
        limit=limits.stability,
        samples=values,
        sentence=f"{text} (limit {limits.stability:g})" if values >= LEAST_VALUES else text,
    )


def servers_part(ended: int, sentence: str) -> Part:
    """FAIL when Staging's server ended again and again while it was sent requests."""
    return Part(
        name="servers", verdict="FAIL", value=float(ended), limit=float(MOST_ENDS), samples=ended, sentence=sentence
    )


def burden_part(sentence: str, share: float) -> Part:
    """UNDECIDED: Production could not bear more requests for now."""
    return Part(name="burden", verdict="UNDECIDED", value=share, limit=share, samples=0, sentence=sentence)


def worst(parts: Sequence[Part]) -> Verdict:
    """The worst verdict among the parts; no part is no evidence."""
    return max((part.verdict for part in parts), key=_WORST.__getitem__, default="UNDECIDED")


def sentence_of(parts: Sequence[Part], against: str) -> str:
    """One line: what decided."""
    verdict = worst(parts)
    deciding = [part for part in parts if part.verdict == verdict] if verdict != "PASS" else list(parts)
    return f"compared with {against}: " + "; ".join(part.sentence for part in deciding)
