"""What the registry's answers look like to a person (pure): documents in, lines out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial import cli_views
from seatrial.cli_views import table, time_of

Document = Mapping[str, Any]


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


def stages(of: Mapping[str, str]) -> str:
    """`Production`, where nothing but `local` was ever used; else each environment's."""
    if set(of) <= {"local"}:
        return of.get("local", "None")
    return ", ".join(f"{stage} in {environment}" for environment, stage in sorted(of.items()))


def _pairs(values: Mapping[str, Any]) -> str:
    return " ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in values.items()
    )


def _more(found: Document) -> list[str]:
    return [f"more: the same command with --cursor {found['cursor']}"] if found["cursor"] else []
