"""What was in which stage at a moment, and what was known then (pure folds over the ledger and the evidence)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from seatrial.registry.entities import Evidence, StageMove
from seatrial.registry.rules import Ledger, current, entry_that_put


@dataclass(frozen=True)
class Tenure:
    """A version in a stage: the entry that put it there, and the one that ended it (None: nothing has, so far)."""

    version: int
    began: StageMove
    ended: StageMove | None


@dataclass(frozen=True)
class Held:
    """Who held Production and Staging of one environment at a moment; None where nobody did."""

    production: Tenure | None
    staging: Tenure | None


def held_at(ledger: Ledger, environment: str, at_ms: int) -> Held:
    """The ledger as it was when `at_ms` had passed: an entry counts from its own millisecond on."""
    before = [move for move in ledger if move.at_ms <= at_ms]
    later = ledger[len(before) :]
    now = current(before, environment)
    return Held(
        *(
            None if version is None else _tenure(before, later, environment, version)
            for version in (now.production, now.staging)
        )
    )


def known_at(evidence: Iterable[Evidence], at_ms: int) -> list[Evidence]:
    """The newest document of each step and key that was there when `at_ms` had passed, oldest first.

    A document that its step replaced later is not among them: it is no longer what was known.
    """
    newest: dict[tuple[str, str], Evidence] = {}
    for found in sorted(evidence, key=lambda one: (one.at_ms, one.id)):
        if found.at_ms <= at_ms:
            newest[found.kind, found.key] = found
    return sorted(newest.values(), key=lambda one: (one.at_ms, one.id))


def touching(ledger: Ledger, version: int) -> list[StageMove]:
    """The entries that moved a version, themselves or by displacing it."""
    return [move for move in ledger if version in (move.version, move.displaced)]


def _tenure(before: Ledger, later: Ledger, environment: str, version: int) -> Tenure:
    began = entry_that_put(before, environment, version)
    after = touching(later, version)
    ended = next((move for move in after if move.environment == environment or move.to_stage == "Deleted"), None)
    return Tenure(version, began, ended)
