"""What the manager's documents look like to a person (pure): documents in, lines out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

Document = Mapping[str, Any]


def status_lines(document: Document) -> list[str]:
    manager = document["manager"]
    machine = manager["machine"]
    lines = [f"Inference Manager {manager['version']}, pid {manager['pid']}, {machine['cores']} cores"]
    lines += models_lines(document["models"])
    for deployment in document["deployments"]:
        served, option = deployment["spec"]["served"], deployment["spec"]["option"]["name"]
        ready = sum(replica["state"] == "ready" for replica in deployment["replicas"])
        wanted = deployment["spec"]["replicas"]
        trouble = f": {deployment['error']}" if deployment["error"] else ""
        name = f"{served['name']}@{served['version']}"
        kept = deployment.get("kept_warm_until_ms")
        way_back = f", kept for a rollback until {time_of(kept)}" if kept else ""
        lines.append(
            f"  {name} on {option}: {deployment['state']}, {ready} of {wanted} replica(s) ready{way_back}{trouble}"
        )
    return lines


def models_lines(models: Sequence[Document]) -> list[str]:
    if not models:
        return ["no model is registered yet"]
    rows = [("model", "Production", "Staging", "versions")]
    rows += [
        (m["name"], version_or_dash(m["production"]), version_or_dash(m["staging"]), str(m["versions"])) for m in models
    ]
    return table(rows)


def model_lines(model: Document) -> list[str]:
    rows = [("version", "model id", "format", "stage", "registered", "description")]
    for version in model["versions"]:
        rows.append(
            (
                f"{version['model']}@{version['version']}",
                str(version["model_id"]),
                version["served"]["format"],
                version["stages"].get("local", "None"),
                time_of(version["created_ms"]),
                version["description"],
            )
        )
    return table(rows)


def ledger_lines(moves: Sequence[Document]) -> list[str]:
    """One line an entry; the environment is shown once there is another one than `local`."""
    far = any(move["environment"] != "local" for move in moves)
    rows = [("#", "when", *(("environment",) if far else ()), "version", "from", "to", "displaced", "who", "why")]
    for move in moves:
        rows.append(
            (
                str(move["seq"]),
                time_of(move["at_ms"]),
                *((move["environment"],) if far else ()),
                f"{move['model']}@{move['version']}",
                move["from_stage"],
                move["to_stage"],
                version_or_dash(move["displaced"]),
                move["who"],
                move["why"],
            )
        )
    return table(rows)


def version_or_dash(number: int | None) -> str:
    return "–" if number is None else f"@{number}"


def time_of(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
