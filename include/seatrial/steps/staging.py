"""Staging holds one version at a time, and no run takes it from a version that another run is validating."""

from __future__ import annotations

import time
from typing import Any

from seatrial.errors import Conflict, StagingTaken
from seatrial.registry.entities import StageMove
from seatrial.registry.rules import current, entry_that_put
from seatrial.steps.run import Run

LONGEST_RUN_S = 4 * 3600.0
"""A version that a run has left in Staging for longer is nobody's: Airflow lost the run, teardown and all."""


def staging_to_displace(run: Run, version: dict[str, Any]) -> int | None:
    """The version in Staging, which a move may displace; None for nobody.

    Raises StagingTaken for one that another run put there, unless its verdict is UNDECIDED (then it is held until
    something better comes) or that was LONGEST_RUN_S ago. What a person put there by hand may be displaced.
    """
    ledger = [StageMove.model_validate(move) for move in run.api.ledger(version["model"])]
    holder = current(ledger, "local").staging
    if holder is None or holder == version["version"]:
        return holder
    entry = entry_that_put(ledger, "local", holder)
    if is_under_way(entry, run.id, int(time.time() * 1000)) and not _is_undecided(run, entry):
        raise StagingTaken(
            f"{entry.model}@{holder} is in Staging for run {entry.run}: waiting until that run has decided",
            model=entry.model,
            version=holder,
            run=entry.run,
        )
    return holder


def take_staging(run: Run, version: dict[str, Any], displaced: int | None) -> dict[str, Any]:
    """The ledger entry that moves the version to Staging, if `displaced` is still there; StagingTaken else."""
    try:
        return run.api.move_stage(
            version["model"],
            version["version"],
            "Staging",
            expect_staging=displaced,
            who=run.who,
            run=run.id,
            why="deployed for validation",
        )
    except Conflict as error:
        run.api.drop_deployment(version["model_id"])
        raise StagingTaken(error.message, model=version["model"]) from error


def is_under_way(entry: StageMove, run: str, now_ms: int) -> bool:
    """Whether the entry that put a version into Staging is of another run that may still be deciding (pure)."""
    return entry.run not in ("", run) and now_ms - entry.at_ms < LONGEST_RUN_S * 1000


def _is_undecided(run: Run, entry: StageMove) -> bool:
    model_id = run.api.model_version(entry.model, entry.version)["model_id"]
    shadow = run.api.evidence(model_id, "ShadowValidate")
    return bool(shadow) and shadow[0]["run"] == entry.run and shadow[0]["document"]["verdict"] == "UNDECIDED"
