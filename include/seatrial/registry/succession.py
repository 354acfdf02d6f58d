"""Who came to Production from whom (pure folds over the ledger): what a roll-over left behind, and for how long."""

from __future__ import annotations

from seatrial.errors import NoSuchVersion
from seatrial.registry.entities import StageMove
from seatrial.registry.rules import Ledger, current, entry_that_put, rollback_target, was_rollback


def promotion(ledger: Ledger, environment: str) -> StageMove | None:
    """The entry that made the present Production version so. None when nothing is there or a rollback put it there."""
    production = current(ledger, environment).production
    if production is None:
        return None
    entry = entry_that_put(ledger, environment, production)
    return None if was_rollback(ledger, entry) else entry


def way_back(ledger: Ledger, environment: str) -> StageMove | None:
    """The promotion that a rollback would undo now: the servers of the version that it displaced may stay for that.

    None after a rollback: what was left is no way back, and what lies further back is not worth the memory.
    """
    entry = promotion(ledger, environment)
    if entry is None or entry.displaced is None:
        return None
    try:
        return entry if rollback_target(ledger, environment) == entry.displaced else None
    except NoSuchVersion:  # it was deleted since
        return None
