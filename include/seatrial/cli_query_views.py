"""What the registry's answers look like to a person (pure): documents in, lines out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial import cli_views
from seatrial.cli_views import table, time_of

Document = Mapping[str, Any]
SHOWN = 40  # characters of a value in a table


def models_lines(found: Document) -> list[str]:
    return [*cli_views.models_lines(found["models"]), *_more(found)]


def versions_lines(found: Document) -> list[str]:
    rows = [("version", "model id", "format", "stage", "registered", "user", "metrics", "tags")]
    for version in found["versions"]:
        rows.append(
            (
                f"{version['model']}@{version['version']}",
                str(version["model_id"]),
                version["format"],
                stages(version["stages"]),
                time_of(version["created_ms"]),
                version["user"],
                _pairs(version["metrics"]),
                _pairs(version["tags"]),
            )
        )
    return [*(table(rows) if len(rows) > 1 else ["no version meets the filter"]), *_more(found)]


def comparison_lines(found: Document) -> list[str]:
    left, right = (f"{side['model']}@{side['version']}" for side in (found["left"], found["right"]))
    rows = [("what", "", left, right, "change")]
    for section, facts in found["sections"].items():
        for name, fact in facts.items():
            change = f"{fact['change']:+g}" if "change" in fact else ""
            rows.append((section, name, _shown(fact["left"]), _shown(fact["right"]), change))
    same = sum(found["same"].values())
    if len(rows) == 1:
        return [f"{left} and {right} do not differ in any of {same} facts"]
    return [*table(rows), f"{same} more facts are the same"]


def stages(of: Mapping[str, str]) -> str:
    """`Production`, where nothing but `local` was ever used; else each environment's."""
    if set(of) <= {"local"}:
        return of.get("local", "None")
    return ", ".join(f"{stage} in {environment}" for environment, stage in sorted(of.items()))


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _pairs(values: Mapping[str, Any]) -> str:
    return " ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in values.items()
    )


def _more(found: Document) -> list[str]:
    return [f"more: the same command with --cursor {found['cursor']}"] if found["cursor"] else []
