"""From what a replay saw to a verdict (pure). Source: methods, section 4. The whole is the worst of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from seatrial.shadow.latency import latency_ratios
from seatrial.shadow.limits import Limits
from seatrial.shadow.report import Part, Verdict
from seatrial.shadow.sequential import (
    Mismatches,
    excess_evidence,
    excess_share_low,
    requests_to_accept,
    wald_bounds,
)

_WORST: dict[Verdict, int] = {"PASS": 0, "UNDECIDED": 1, "FAIL": 2}
LEAST_PAIRS = 100  # below that a p95 rests on five requests


@dataclass
class Seen:
    """What was counted so far. Latencies are paired, in the order of sending, in seconds.

    `used` has each distinct request that was sent, by its id: "capture" or "sample".
    """

    compared: int = 0
    candidate_only: int = 0
    noise_only: int = 0
    both: int = 0
    sent: int = 0
    candidate_failed: int = 0
    base_failed: int = 0
    base_s: list[float] = field(default_factory=list)
    candidate_s: list[float] = field(default_factory=list)
    used: dict[str, str] = field(default_factory=dict)

    @property
    def mismatches(self) -> Mismatches:
        return Mismatches(self.compared, self.candidate_only, self.noise_only, self.both)


def tensors_part(seen: Seen, limits: Limits, *, noise: bool) -> Part:
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


def errors_part(seen: Seen, limits: Limits, *, noise: bool) -> Part:
    """FAIL when the candidate's share of failed requests is above Production's by more than the limit, surely."""
    base_of = seen.sent if noise else 0
    low = excess_share_low(seen.candidate_failed, seen.sent, seen.base_failed, base_of, limits.error_confidence)
    share = (seen.candidate_failed - seen.base_failed) / seen.sent if seen.sent else 0.0
    verdict: Verdict = "FAIL" if low > limits.error_excess else "PASS" if seen.sent else "UNDECIDED"
    return Part(
        name="errors",
        verdict=verdict,
        value=share,
        limit=limits.error_excess,
        samples=seen.sent,
        sentence=f"{seen.candidate_failed} of {seen.sent} requests failed"
        + (f", Production failed {seen.base_failed}" if noise else ""),
    )


def latency_part(seen: Seen, limits: Limits, *, seed: int) -> Part:
    """PASS when the interval's upper end is within the limit at p50 and p95, FAIL when a lower end is above it."""
    pairs = len(seen.candidate_s)
    if pairs < LEAST_PAIRS:
        return Part(
            name="latency",
            verdict="UNDECIDED",
            value=0.0,
            limit=limits.latency_ratio,
            samples=pairs,
            sentence=f"{pairs} paired requests are too few to compare p95 (at least {LEAST_PAIRS})",
        )
    ratios = latency_ratios(seen.base_s, seen.candidate_s, (50, 95), level=limits.latency_interval, seed=seed)
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
        samples=pairs,
        sentence=f"Staging / Production: {shown} (limit {limits.latency_ratio:g})",
    )


def traffic_part(seen: Seen, limits: Limits) -> Part:
    """UNDECIDED until enough different captured requests were replayed: `live_share` of `min_requests`."""
    live, needed = list(seen.used.values()).count("capture"), limits.live_needed
    return Part(
        name="traffic",
        verdict="PASS" if live >= needed else "UNDECIDED",
        value=float(live),
        limit=float(needed),
        samples=seen.sent,
        sentence=f"{live} different live requests were replayed, at least {needed} are needed "
        f"({limits.live_share:.0%} of {limits.min_requests})",
    )


def objective_part(seen: Seen, latency_ms: float) -> Part:
    """For a first version there is nothing to compare with: its median must be within the objective."""
    middle_ms = sorted(seen.candidate_s)[len(seen.candidate_s) // 2] * 1000 if seen.candidate_s else float("inf")
    return Part(
        name="latency",
        verdict="PASS" if middle_ms <= latency_ms else "FAIL",
        value=round(middle_ms, 3) if seen.candidate_s else 0.0,
        limit=latency_ms,
        samples=len(seen.candidate_s),
        sentence=f"first version: p50 {middle_ms:.1f} ms, the objective allows {latency_ms:g} ms",
    )


def worst(parts: Sequence[Part]) -> Verdict:
    """The worst verdict among the parts; no part is no evidence."""
    return max((part.verdict for part in parts), key=_WORST.__getitem__, default="UNDECIDED")


def sentence_of(parts: Sequence[Part], against: str) -> str:
    """One line: what decided."""
    verdict = worst(parts)
    deciding = [part for part in parts if part.verdict == verdict] if verdict != "PASS" else list(parts)
    return f"compared with {against}: " + "; ".join(part.sentence for part in deciding)
