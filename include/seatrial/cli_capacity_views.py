"""What a capacity looks like to a person (pure): documents in, lines out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.cli_views import table

Document = Mapping[str, Any]


def capacity_lines(found: Document) -> list[str]:
    """Every option that was looked at, the cheapest first; `*` is the chosen one, `+` those that no other beats in
    cost, p99 and headroom together."""
    choice, told = found["choice"], found["answer"]
    front = {way["option"] for way in told["front"]}
    rows = [("", "option", "requests/s", "saturation", "p99 ms", "price", "per request/s", "known by")]
    for row in sorted(choice["table"], key=lambda row: row["price_per_request"] or float("inf")):
        mark = "*" if row["chosen"] else "+" if row["option"] in front else ""
        rate = f"{row['lambda_max']:.1f}" if row["feasible"] else "–"
        p99, cost = (_number(row[name]) for name in ("p99_ms", "price_per_request"))
        rows.append((mark, row["option"], rate, f"{row['mu']:.1f}", p99, f"{row['price']:g}", cost, row["method"]))
    unknown = (f"no figure for {one['option']['name']}: {one['reason']}" for one in found["not_quiet"])
    return [*table(rows), *unknown, told["paragraph"]]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
