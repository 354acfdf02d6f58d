"""What a promotion is, and which one a rollback would undo: from the ledger alone."""

from __future__ import annotations

import pytest
from hypothesis import given

from seatrial.errors import NoSuchVersion
from seatrial.registry import rules
from seatrial.registry.entities import Stage, StageMove
from seatrial.registry.succession import promotion, way_back
from tests.unit.registry.test_rules import Wish, grant, ledger_of, promoted, wishes


def test_a_first_version_was_promoted_and_has_no_way_back() -> None:
    ledger = promoted(1)
    assert promotion(ledger, "local") == ledger[-1]
    assert way_back(ledger, "local") is None


def test_the_way_back_is_the_promotion_that_took_over() -> None:
    ledger = promoted(1, 2, 3)
    assert promotion(ledger, "local") == way_back(ledger, "local") == ledger[-1]
    assert ledger[-1].displaced == 2, "so @2 is kept warm, and @1 is not"


def test_a_rollback_is_no_promotion_and_what_was_left_is_no_way_back() -> None:
    ledger = ledger_of(*((v, to) for v in (1, 2) for to in ("Staging", "Production")), (1, "Production"))
    assert (promotion(ledger, "local"), way_back(ledger, "local")) == (None, None)


def test_a_version_that_was_rolled_back_and_is_promoted_again_is_watched_again() -> None:
    again: list[tuple[int, Stage]] = [(1, "Production"), (2, "Production")]
    ledger = ledger_of(*((v, to) for v in (1, 2) for to in ("Staging", "Production")), *again)
    assert way_back(ledger, "local") == ledger[-1]
    assert ledger[-1].displaced == 1


def test_staging_moves_and_other_environments_change_nothing() -> None:
    ledger = promoted(1, 2)
    entry = ledger[-1]
    for wish in ((3, "Staging", "local", 0), (1, "Staging", "paris", 0), (1, "Production", "paris", 0)):
        assert grant(ledger, wish)
    assert way_back(ledger, "local") == entry
    assert promotion(ledger, "paris") == ledger[-1]
    assert promotion([m for m in ledger if m.environment == "local"], "local") == entry, (
        "also of one environment's moves"
    )


def test_one_environments_moves_say_the_same_as_all() -> None:
    ledger = ledger_of((3, "Staging"))
    for wish in ((4, "Staging", "paris", 0), (4, "Production", "paris", 0)):
        assert grant(ledger, wish)
    for version in (1, 2):
        assert grant(ledger, (version, "Staging", "local", 0))
        assert grant(ledger, (version, "Production", "local", 0))
    for version in (1, 2):
        assert grant(ledger, (version, "Production", "local", 0))
    assert (
        promotion([m for m in ledger if m.environment == "local"], "local") == promotion(ledger, "local") == ledger[-1]
    )


def test_a_deleted_version_is_no_way_back() -> None:
    ledger = promoted(1, 2, 3)
    grant(ledger, (2, "Deleted", "local", 0))
    assert way_back(ledger, "local") is None
    assert promotion(ledger, "local") is not None


def test_without_production_nothing_was_promoted() -> None:
    assert promotion([], "local") is None
    assert promotion(ledger_of((1, "Staging"), (1, "Production"), (1, "Archived")), "local") is None


@given(wishes)
def test_the_way_back_leads_where_a_rollback_goes(wished: list[Wish]) -> None:
    ledger: list[StageMove] = []
    for wish in wished:
        grant(ledger, wish)
        entry = way_back(ledger, "local")
        if entry is None:
            continue
        assert entry.version == rules.current(ledger, "local").production
        assert entry.displaced == rules.rollback_target(ledger, "local")


@given(wishes)
def test_after_a_rollback_nothing_is_watched(wished: list[Wish]) -> None:
    ledger: list[StageMove] = []
    for wish in wished:
        grant(ledger, wish)
    try:
        target = rules.rollback_target(ledger, "local")
    except NoSuchVersion:
        return
    if rules.stage_of(ledger, "local", target) != "Archived":
        return
    assert grant(ledger, (target, "Production", "local", 0))
    assert promotion(ledger, "local") is None


@pytest.mark.parametrize("environment", ["local", "paris"])
def test_a_model_that_was_never_moved_has_neither(environment: str) -> None:
    assert way_back([], environment) is None
