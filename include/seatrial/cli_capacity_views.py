"""What a capacity looks like to a person (pure): documents in, lines out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.cli_views import table
from seatrial.words import counted

Document = Mapping[str, Any]


def capacity_lines(found: Document) -> list[str]:
    """Every option that was looked at, the cheapest first; `*` is the chosen one, `+` those that no other beats in
    cost, p99 and headroom together."""
    choice, told = found["choice"], found["answer"]
    chosen, front = choice["cell"]["option"]["name"], {way["option"] for way in told["front"]}
    rows = [("", "option", "requests/s", "saturation", "p99 ms", "price", "per request/s", "known by")]
    for row in choice["table"]:
        mark = "*" if row["option"] == chosen else "+" if row["option"] in front else ""
        rate, p99 = _number(row["lambda_max_per_s"], ".1f"), _number(row["p99_ms"], "g")
        cost = _number(row["price_per_request_per_s"], ".4g")
        known = "verified" if row["feasible"] and row["verified_s"] else row["method"]
        rows.append((mark, row["option"], rate, f"{row['mu_per_s']:.1f}", p99, f"{row['price']:g}", cost, known))
    shared = [_shared(row) for row in choice["table"] if row["neighbours"] is not None]
    noticed = [f"{row['option']}: {row['findings']}" for row in choice["table"] if row["findings"]]
    unknown = (f"no figure for {one['option']['name']}: {one['reason']}" for one in found["not_quiet"])
    return [*table(rows), *shared, *noticed, *unknown, choice["sentence"], told["paragraph"]]


def _shared(row: Document) -> str:
    alone, factor = row["alone_mu_per_s"], row["interference"]
    return (
        f"{row['option']}: saturation beside {counted(row['neighbours'], 'neighbour')} {row['mu_per_s']:.1f}, alone"
        f" {alone:.1f} (interference {factor:.2f})"
    )


def _number(value: float | None, digits: str) -> str:
    return "–" if value is None else format(value, digits)
