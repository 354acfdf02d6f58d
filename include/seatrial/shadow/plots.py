"""A shadow report's figures as pictures, SVG text each. With autoscale/plots the only importer of matplotlib."""

from __future__ import annotations

import io
from typing import Any

from seatrial.errors import Refused
from seatrial.shadow.differences import BINS, LOWEST, PER_DECADE, Differences
from seatrial.shadow.distribution import Histogram
from seatrial.shadow.record import Record
from seatrial.shadow.report import ShadowReport
from seatrial.shadow.sequential import excess_evidence, wald_bounds

PRODUCTION, OWN, STAGING, LIMIT = "#1f5fa8", "#8fb3dc", "#d9822b", "#b3261e"
EVERY = 10  # requests between two points of the path


def pictures(report: ShadowReport) -> dict[str, str]:
    """SVG by caption. Raises Refused where matplotlib is missing."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise Refused("pictures need matplotlib: pip install 'seatrial[plots]'") from error
    mpl.rcParams["svg.hashsalt"] = "seatrial"  # the same report, the same bytes
    record = Record(report.requests)
    drawn: dict[str, Any] = {}
    if record.compared:
        drawn["Evidence, request by request"] = _path(_figure(Figure), report, record)
    if record.pairs_s:
        drawn["Latency of the same requests"] = _latency(_figure(Figure), record)
    for layer, differences in report.differences.items():
        drawn[f"Differences of {layer}"] = _differences(_figure(Figure), differences)
    for layer, histogram in report.distribution.items():
        drawn[f"Values of {layer}"] = _values(_figure(Figure), histogram)
    return {caption: _svg(figure) for caption, figure in drawn.items()}


def _figure(kind: Any) -> Any:
    return kind(figsize=(6.4, 3.2), layout="constrained")


def _path(figure: Any, report: ShadowReport, record: Record) -> Any:
    axes, limits, noise = figure.subplots(), report.limits, report.production is not None
    accept, reject = wald_bounds(limits.alpha, limits.beta, noise=noise)
    low, high = 2 * accept - reject, 2 * reject - accept
    steps = [found for found in record.path(EVERY) if found.requests]
    evidence = [excess_evidence(found, limits.p_good, limits.p_bad, noise=noise) for found in steps]
    shown = [min(max(each, low), high) for each in evidence]  # what is surer than sure is at the edge
    axes.plot([0, *(found.requests for found in steps)], [0, *shown], color=STAGING, marker=".", label="this version")
    axes.axhline(reject, color=LIMIT, linewidth=1, label=f"refused: {limits.p_bad:.1%} differ, or more")
    axes.axhline(accept, color=PRODUCTION, linewidth=1, label=f"accepted: {limits.p_good:.1%} differ, or fewer")
    axes.axvline(limits.min_requests, color="gray", linestyle=":", label=f"no PASS before {limits.min_requests}")
    axes.set(xlabel="requests compared", ylabel="log likelihood ratio", ylim=(low - 0.5, high + 0.5))
    axes.legend(loc="best", fontsize="small")
    return figure


def _latency(figure: Any, record: Record) -> Any:
    axes = figure.subplots()
    for name, color, side in (("Production", PRODUCTION, 0), ("Staging", STAGING, 1)):
        ordered = sorted(1000 * pair[side] for pair in record.pairs_s)
        shares = [(place + 1) / len(ordered) for place in range(len(ordered))]
        axes.plot(ordered, shares, color=color, label=name)
    axes.set(xlabel="latency, ms", ylabel="share of requests", ylim=(0, 1.02), xscale="log")
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="lower right", fontsize="small")
    return figure


def _differences(figure: Any, found: Differences) -> Any:
    """Production's own beside Staging's."""
    axes, places = figure.subplots(), range(BINS)
    for name, color, counts, shift in (
        ("Production, asked twice", OWN, found.own, -0.2),
        ("Staging", STAGING, found.staging, 0.2),
    ):
        total = sum(counts) or 1
        axes.bar([place + shift for place in places], [count / total for count in counts], 0.4, color=color, label=name)
    marks = list(range(2, BINS - 1, 2 * PER_DECADE))
    names = [f"1e{LOWEST + (mark - 2) // PER_DECADE}" for mark in marks]
    axes.set_xticks([0, *marks, BINS - 1], ["0", *names, "∞"])
    axes.set(xlabel="‖b−a‖ / ‖a‖, or the share that does not agree", ylabel="share of requests", ylim=(0, 1.25))
    axes.legend(loc="upper center", fontsize="small", ncols=2)
    return figure


def _values(figure: Any, found: Histogram) -> Any:
    """Distribution functions at the edges of the bins."""
    axes = figure.subplots()
    sides = (
        ("Production", PRODUCTION, found.production),
        ("again", OWN, found.again),
        ("Staging", STAGING, found.staging),
    )
    for name, color, counts in sides:
        total, below, shares = sum(counts) or 1, 0, []
        for count in counts[:-1]:
            below += count
            shares.append(below / total)
        axes.step(found.edges, shares, where="post", color=color, label=name)
    axes.set(xlabel="value", ylabel="share of values up to it", ylim=(0, 1.02))
    axes.legend(loc="lower right", fontsize="small", title=f"stability index {found.stability:.2g}")
    return figure


def _svg(figure: Any) -> str:
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None})
    text = written.getvalue()
    return text[text.index("<svg") :]
