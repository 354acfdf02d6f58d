"""What a shadow verdict looks like to a person (pure): reports in, lines out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from seatrial.cli_views import table
from seatrial.words import counted

if TYPE_CHECKING:
    from seatrial.shadow.limits import Limits
    from seatrial.shadow.report import ShadowReport
    from seatrial.steps.replay_request import Replayed


def report_lines(name: str, report: ShadowReport) -> list[str]:
    """The verdict first, then each question, each output, and what differed."""
    counts = report.counts
    requests = f"{counts.live} live and {counts.samples} sample requests, {counts.sent} sendings"
    if counts.alone:
        requests += f" ({counts.alone} to Staging alone)"
    head = f"{name} against {report.against}: {report.verdict} after {requests} in {report.seconds:.0f} s"
    questions = [("question", "verdict", "found"), *((part.name, part.verdict, part.sentence) for part in report.parts)]
    outputs = [
        ("output", "mismatches", "Production's own", "largest |b−a|", "largest share of |a|", "least agreement"),
        *(
            (
                one.layer,
                str(one.mismatches),
                str(one.own),
                f"{one.max_abs:.3g}",
                f"{one.max_rel:.3g}",
                f"{one.lowest_share:.4g}",
            )
            for one in report.layers
        ),
    ]
    compared = f"compared as {report.limits.comparison_class}" + (
        f": {report.class_reason}" if report.class_reason else ""
    )
    varies = [
        f"{one.layer} varies in Production itself: {one.noise or 'by chance'}" for one in report.layers if one.own
    ]
    risk = [f"at risk are services that call as before: {report.risk}"] if report.risk else []
    return [
        head,
        report.consequence,
        compared,
        *risk,
        "",
        *table(questions),
        "",
        *table(outputs),
        *varies,
        *_offence_lines(name, report),
    ]


def _offence_lines(name: str, report: ShadowReport) -> list[str]:
    if not report.first_offending:
        return []
    rows = [("request", "id", "output", "flaw", "at", "Production", "Staging")]
    for one in report.first_offending:
        at = "" if one.index is None else str(list(one.index))
        rows.append((str(one.number), one.request, one.layer, one.flaw, at, one.expected, one.got))
    number = report.first_offending[0].number
    return ["", "the first that differ:", *table(rows), f"one of them again: seatrial replay {name} --request {number}"]


def limit_lines(limits: Limits, why: str, outputs: Sequence[str], production: int | None) -> list[str]:
    """Which limits would apply, an output a line."""
    beside = "a runtime's answers: it would be the first" if production is None else f"@{production} in Production"
    rows = [("output", "counts", "limit"), *((layer, *_limit(limits, layer)) for layer in outputs or ["every output"])]
    return [
        f"compared with {beside}, as {limits.comparison_class}: {why}",
        *table(rows),
        f"a version of which {limits.p_bad:.1%} of the answers differ is refused with {1 - limits.beta:.0%} chance, one"
        f" of which {limits.p_good:.1%} do is accepted with {1 - limits.alpha:.0%}; by {limits.min_requests} to"
        f" {limits.max_requests} requests",
        f"latency: p50 and p95 up to {limits.latency_ratio:g} times Production's; failed requests: up to"
        f" {limits.error_excess:.2%} above Production's",
    ]


def _limit(limits: Limits, layer: str) -> tuple[str, str]:
    kind = limits.outputs.get(layer)
    if layer in limits.parts:
        return "with its boxes", ""
    if kind is None or kind.kind == "values":
        of = limits.of(layer)
        ways = {"element": "|b−a| ≤ {atol:g} + {rtol:g}·|a|", "relative-l2": "‖b−a‖ ≤ {rtol:g}·‖a‖ + {atol:g}·√n"}
        return "numbers", ways[of.measure].format(atol=of.atol, rtol=of.rtol)
    said = kind.model_dump(exclude={"kind"}, exclude_none=True)
    return kind.kind, ", ".join(f"{name} {value}" for name, value in said.items())


def replay_lines(name: str, found: Replayed) -> list[str]:
    rows = [("output", "agrees", "share", "largest |b−a|", "at", "expected", "got")]
    for one in found.found:
        at = "" if one.worst_index is None else str(list(one.worst_index))
        agrees = "yes" if one.passed else one.flaw
        rows.append((one.layer, agrees, f"{one.share:.4g}", f"{one.max_abs:.3g}", at, one.expected, one.got))
    return [f"request {found.request}: {name} beside {found.against}", *table(rows)]


def capture_lines(model: str, captures: Sequence[Mapping[str, Any]]) -> list[str]:
    if not captures:
        return [
            f"no captured requests of {model}: `capture.share` in its manifest is 0, or no client has called lately"
        ]
    rows = [("id", "captured", "version", "bytes")]
    for one in captures:
        at = datetime.fromtimestamp(one["at_ms"] / 1000, timezone.utc).isoformat(timespec="seconds")
        rows.append((one["id"], at, f"@{one['version']}", str(one["bytes"])))
    return [f"{counted(len(captures), 'captured request')} of {model}, the newest first", *table(rows)]
