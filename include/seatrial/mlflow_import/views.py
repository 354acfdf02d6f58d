"""What an import shows to a person, and its document (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seatrial.mlflow_import.folders import Outcome


def document(address: str, mlflow: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """`changed` is false when everything was there already."""
    return {
        "source": address,
        "mlflow": mlflow,
        "changed": any(outcome.state == "written" for outcome in outcomes),
        "versions": [
            {
                **outcome.wanted.model_dump(mode="json", include={"source", "version", "model", "stage", "notes"}),
                "format": outcome.wanted.format,
                "state": outcome.state,
                "skipped": outcome.wanted.skipped,
                "folder": None if outcome.state == "skipped" else str(outcome.folder),
                "missing": list(outcome.missing),
                "sent": outcome.sent,
            }
            for outcome in outcomes
        ],
    }


def lines(address: str, mlflow: str, outcomes: Sequence[Outcome]) -> list[str]:
    found = [f"MLflow {mlflow} at {address}"]
    model = None
    for outcome in outcomes:
        wanted = outcome.wanted
        if wanted.source != model:
            found.append(f"{wanted.source} → {wanted.model}")
            model = wanted.source
        if wanted.skipped:
            found.append(f"  v{wanted.version} skipped: {wanted.skipped}")
            continue
        stage = "" if wanted.stage == "None" else f", {wanted.stage} there"
        sent = "" if not outcome.sent else ", sent: its run starts" if outcome.state == "written" else ", sent before"
        found.append(f"  v{wanted.version} {wanted.format}{stage}: {outcome.state}, {outcome.folder}{sent}")
        found += [f"      to fill in: {line}" for line in outcome.missing]
        found += [f"      note: {line}" for line in wanted.notes]
    waiting = [outcome for outcome in outcomes if outcome.state != "skipped" and not outcome.sent]
    if waiting and all(outcome.state == "planned" for outcome in waiting):
        found.append("nothing was written: --dry-run")
    elif waiting:
        found.append("then, each when it is complete and the run of the one before it has ended:")
        found += [f"  seatrial upload {outcome.folder}" for outcome in waiting]
    if outcomes and not any(outcome.state in ("written", "planned") for outcome in outcomes):
        found.append("nothing changed: all of it was there already or is skipped")
    return found if outcomes else [*found, "no registered model has a version"]
