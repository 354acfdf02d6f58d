"""Step 2: files into the artifact store by digest, the version into the registry; the same files, the same version."""

from __future__ import annotations

from typing import Any

from seatrial.steps.run import Run
from seatrial.uploads.source import Upload


def register(run: Run, upload: Upload, report: dict[str, Any]) -> dict[str, Any]:
    """`model`, `version`, `model_id`, `created`, and the stage that the version has already, if any."""
    answer = run.api.register(report["manifest"]["name"], upload=upload.name, report=report, run=run.id)
    version = answer["version"]
    stage = version["stages"].get("local", "None")
    verb = "registered" if answer["created"] else f"is known already ({stage})"
    run.progress(f"{version['model']}@{version['version']} (model id {version['model_id']}) {verb}")
    return {
        "model": version["model"],
        "version": version["version"],
        "model_id": version["model_id"],
        "created": answer["created"],
        "stage": stage,
    }
