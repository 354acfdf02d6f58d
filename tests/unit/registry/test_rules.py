from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Conflict, Refused
from seatrial.registry.entities import StageMove
from seatrial.registry.rules import ALLOWED, ANY, Author, current, next_move, rollback_target, stages

WISHES = st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["Staging", "Production", "Archived"])), max_size=30)


def _play(wishes: list[tuple[int, str]]) -> list[StageMove]:
    ledger: list[StageMove] = []
    for version, to in wishes:
        try:
            move = next_move(ledger, model="pitch", version=version, to=to, author=Author("me"), at_ms=len(ledger))
        except Refused:
            continue
        if move is not None:
            ledger.append(move)
    return ledger


@given(WISHES)
def test_at_most_one_production_and_one_staging_and_no_hole(wishes: list[tuple[int, str]]) -> None:
    ledger = _play(wishes)
    assert [move.seq for move in ledger] == list(range(1, len(ledger) + 1))
    found = list(stages(ledger).values())
    assert found.count("Production") <= 1
    assert found.count("Staging") <= 1
    now = current(ledger, "local")
    for stage, version in (("Production", now.production), ("Staging", now.staging)):
        assert (version is None) == (stage not in found)


@given(WISHES)
def test_every_entry_is_an_allowed_move(wishes: list[tuple[int, str]]) -> None:
    assert all(move.to_stage in ALLOWED[move.from_stage] for move in _play(wishes))


def test_a_stale_expectation_loses_and_says_what_is_there() -> None:
    ledger = _play([(1, "Staging"), (1, "Production"), (2, "Staging")])
    with pytest.raises(Conflict, match="1"):
        next_move(ledger, model="pitch", version=2, to="Production", author=Author(), at_ms=9, expect_production=None)
    move = next_move(ledger, model="pitch", version=2, to="Production", author=Author(), at_ms=9, expect_production=1)
    assert move is not None
    assert move.displaced == 1
    assert ANY not in (1, None)


def test_the_rollback_target_is_what_was_production_before() -> None:
    ledger = _play([(1, "Staging"), (1, "Production"), (2, "Staging"), (2, "Production")])
    assert rollback_target(ledger, "local") == 1
