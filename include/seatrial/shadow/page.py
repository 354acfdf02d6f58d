"""A shadow report as a page of HTML that needs nothing else: what decided first, then the arithmetic, then pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from seatrial.shadow.plots import pictures
from seatrial.shadow.report import ShadowReport

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
.verdict { display: inline-block; padding: .1rem .6rem; border-radius: .3rem; color: #fff; font-weight: 600 }
.PASS { background: #2e7d32 } .FAIL { background: #b3261e } .UNDECIDED { background: #946200 }
.lead { font-size: 1.1rem } .quiet { color: #5c5c5c }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; vertical-align: top }
th, td { padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #ddd } th { font-weight: 600 }
td { font-variant-numeric: tabular-nums } code { background: #f3f3f3; padding: .1rem .3rem }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem }
figure { margin: 0 } figcaption { font-weight: 600 } svg { width: 100%; height: auto }
"""


def page(report: ShadowReport) -> str:
    """The same report, the same page. Raises Refused where matplotlib is missing."""
    name = f"{report.model}@{report.staging}"
    deciding = [part for part in report.parts if part.verdict == report.verdict and report.verdict != "PASS"]
    lead = "".join(f'<p class="lead">{escape(part.name)}: {escape(part.sentence)}</p>' for part in deciding)
    counts = report.counts
    facts = (
        f"{counts.live} live and {counts.samples} sample requests, {counts.sent} sendings"
        f"{f' ({counts.alone} to Staging alone)' if counts.alone else ''} in {report.seconds:.0f} s · "
        f"compared as {report.limits.comparison_class}" + (f" ({report.class_reason})" if report.class_reason else "")
    )
    drawn = "".join(
        f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>" for caption, svg in pictures(report).items()
    )
    return "\n".join(
        (
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(name)}: {report.verdict}</title>',
            f"<style>{STYLE}</style></head><body>",
            f'<h1>{escape(name)} <span class="verdict {report.verdict}">{report.verdict}</span></h1>',
            f'<p class="quiet">against {escape(report.against)} · {escape(facts)}</p>',
            lead,
            f"<p>{report.consequence}</p>",
            f"<p>At risk are services that call as before: {escape(report.risk)}</p>" if report.risk else "",
            *_offences(name, report),
            "<h2>Questions</h2>",
            _table(
                ("question", "verdict", "found"), ((part.name, part.verdict, part.sentence) for part in report.parts)
            ),
            "<h2>Outputs</h2>",
            _table(
                (
                    "output",
                    "mismatches",
                    "Production's own",
                    "largest |b−a|",
                    "largest share of |a|",
                    "least agreement",
                ),
                (
                    (
                        one.layer,
                        str(one.mismatches),
                        f"{one.own} {one.noise}".strip(),
                        f"{one.max_abs:.3g}",
                        f"{one.max_rel:.3g}",
                        f"{one.lowest_share:.4g}",
                    )
                    for one in report.layers
                ),
            ),
            f'<h2>Pictures</h2><div class="pictures">{drawn}</div>' if drawn else "",
            "</body></html>",
            "",
        )
    )


def _offences(name: str, report: ShadowReport) -> Iterable[str]:
    if not report.first_offending:
        return
    yield "<h2>The first requests that were answered otherwise</h2>"
    yield _table(
        ("request", "output", "what", "at", "Production", "Staging"),
        (
            (
                f"{one.number} ({one.source} {one.request})",
                one.layer,
                one.flaw,
                "" if one.index is None else str(list(one.index)),
                one.expected,
                one.got,
            )
            for one in report.first_offending
        ),
    )
    number = report.first_offending[0].number
    yield f"<p>Again: <code>seatrial replay {escape(name)} --request {number}</code></p>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
