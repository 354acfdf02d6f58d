"""When a version may be deleted, and what the ledger says of it."""

from __future__ import annotations

import pytest

from seatrial.errors import Conflict, NoSuchVersion, Refused
from seatrial.registry import rules
from seatrial.registry.deletion import check_not_deleted, deletion
from seatrial.registry.entities import Deletion, StageMove
from seatrial.registry.rules import Author
from seatrial.registry.versions import next_version, with_digest
from tests.unit.registry.test_query import version_of
from tests.unit.registry.test_rules import grant, ledger_of, promoted

ANN = Author(who="ann", why="wrong data")


def gone(ledger: list[StageMove], version: int) -> list[StageMove]:
    move = deletion(ledger, model="pitch", version=version, force=True, author=ANN, at_ms=0)
    assert move is not None
    return [*ledger, move]


@pytest.mark.parametrize("ledger", [[], ledger_of((1, "Staging")), ledger_of((1, "Staging"), (1, "Archived"))])
def test_a_version_that_never_was_production_is_deleted_without_force(ledger: list[StageMove]) -> None:
    move = deletion(ledger, model="pitch", version=1, author=ANN, at_ms=7)
    assert move is not None
    assert (move.seq, move.from_stage, move.to_stage) == (
        len(ledger) + 1,
        rules.stage_of(ledger, "local", 1),
        "Deleted",
    )
    assert (move.who, move.why, move.at_ms) == ("ann", "wrong data", 7)


@pytest.mark.parametrize("version", [1, 2])
def test_what_is_or_ever_was_production_needs_force_and_a_reason(version: int) -> None:
    ledger = promoted(1, 2)
    with pytest.raises(Conflict, match=f"pitch@{version} was Production in local"):
        deletion(ledger, model="pitch", version=version, author=ANN)
    with pytest.raises(Refused, match="needs a reason"):
        deletion(ledger, model="pitch", version=version, force=True, author=Author("ann", why=" "))
    assert deletion(ledger, model="pitch", version=version, force=True, author=ANN) is not None


def test_a_version_that_was_production_elsewhere_only_needs_force_too() -> None:
    ledger: list[StageMove] = []
    for to in ("Staging", "Production", "Archived"):
        assert grant(ledger, (1, to, "paris", 0))
    with pytest.raises(Conflict, match="was Production in paris"):
        deletion(ledger, model="pitch", version=1, author=ANN)


def test_a_second_deletion_adds_nothing() -> None:
    ledger = gone(promoted(1), 1)
    assert deletion(ledger, model="pitch", version=1, author=ANN) is None


def test_a_deletion_ends_production_in_every_environment_and_rollback_passes_over_it() -> None:
    ledger = promoted(1, 2, 3)
    for to in ("Staging", "Production"):
        assert grant(ledger, (3, to, "paris", 0))
    assert rules.rollback_target(gone(ledger, 2)) == 1
    ended = gone(ledger, 3)
    assert (rules.current(ended, "local").production, rules.current(ended, "paris").production) == (None, None)
    assert rules.rollback_target(ended) == 2


def test_a_deleted_version_says_by_whom_when_and_why() -> None:
    version = version_of(deleted=Deletion(at_ms=0, who="ann", why="wrong data"))
    with pytest.raises(NoSuchVersion, match="pitch@1 was deleted by ann on 1970-01-01 00:00:00Z: wrong data"):
        check_not_deleted(version)
    assert check_not_deleted(version_of()) == version_of()


def test_the_number_is_never_given_out_again_and_the_same_bytes_are_a_new_version() -> None:
    deleted = version_of(version=7, tree_digest="d", deleted=Deletion(at_ms=0))
    assert with_digest([deleted], "d") is None
    new = next_version([deleted], model="pitch", tree_digest="d", served=deleted.served, manifest={})
    assert new.version == 8
