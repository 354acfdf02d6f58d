"""Rollback: the former Production version again, with its own hardware option and scaling policy, at once."""

from __future__ import annotations

from typing import Any

from seatrial.steps.run import Run
from seatrial.waiting import wait_until


def roll_back(run: Run, model: str, why: str) -> dict[str, Any]:
    """Restore what was Production before. Again, as the same run: the same ledger entry, and no further back.

    Errors as of the manager's rollback: NoSuchVersion without a former version, Refused, Conflict, ServerFailed.
    """
    asked = {"who": run.who, "run": run.id, "why": why}
    first = run.api.roll_back(model, **asked)
    version, replaced = first["version"], first["replaces"]
    if first["state"] == "done":
        run.progress(f"the servers of {model}@{version} were there")
    else:
        run.progress(f"{model}: back from @{replaced} to @{version}, whose servers are started")

    def done() -> dict[str, Any] | None:
        found = first if first["state"] == "done" else run.api.roll_back(model, **asked, replaces=replaced)
        return found if found["state"] == "done" else None

    move = wait_until(done, run.deadline, f"the servers of {model}@{version} answer")["move"]
    run.progress(f"{model}@{version} is Production again (ledger entry {move['seq']})")
    return {"model": model, "version": version, "replaced": replaced, "move": move["seq"]}
