"""The teardown of a run: a version that the run put into Staging and did not bring further leaves it again."""

from __future__ import annotations

from typing import Any

from seatrial.steps.run import Run


def withdraw(run: Run, model_id: int) -> dict[str, Any]:
    """Archive the version if this run left it in Staging, unless an UNDECIDED verdict holds it for more traffic."""
    version = run.api.version(model_id)
    name = f"{version['model']}@{version['version']}"
    if version["stages"].get("local") != "Staging":
        return {"withdrawn": False}
    shadow = run.api.evidence(model_id, "ShadowValidate")
    if shadow and shadow[0]["run"] == run.id and shadow[0]["document"]["verdict"] == "UNDECIDED":
        run.progress(f"{name} is held in Staging: its verdict is UNDECIDED")
        return {"withdrawn": False}
    run.api.move_stage(
        version["model"], version["version"], "Archived", who=run.who, run=run.id, why="its run failed after Staging"
    )
    run.progress(f"{name} is archived: its run did not bring it to Production")
    return {"withdrawn": True}
