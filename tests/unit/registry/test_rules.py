"""The stage ledger's rules, by properties over random wishes and by the table of allowed moves."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Conflict, NoSuchVersion, Refused
from seatrial.registry import rules
from seatrial.registry.deletion import deletion
from seatrial.registry.entities import Stage, StageMove
from seatrial.registry.rules import ALLOWED, Author, Stages

STAGES: tuple[Stage, ...] = get_args(Stage)
Wish = tuple[int, Stage, str, int]

wishes = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(STAGES), st.sampled_from(["local", "paris"]), st.integers(0, 10**13)),
    max_size=40,
)


def grant(ledger: list[StageMove], wish: Wish) -> StageMove | None:
    """Append what the rules make of a wish; a refused one leaves the ledger as it is."""
    version, to, environment, at_ms = wish
    try:
        if to == "Deleted":
            move = deletion(ledger, model="pitch", version=version, force=True, author=Author(why="x"), at_ms=at_ms)
        else:
            move = rules.next_move(ledger, model="pitch", version=version, to=to, environment=environment, at_ms=at_ms)
    except (Refused, NoSuchVersion):
        return None
    if move is not None:
        ledger.append(move)
    return move


def ledger_of(*moves: tuple[int, Stage]) -> list[StageMove]:
    """A ledger of moves that are all allowed."""
    ledger: list[StageMove] = []
    for version, to in moves:
        assert grant(ledger, (version, to, "local", 0)), (version, to)
    return ledger


def promoted(*versions: int) -> list[StageMove]:
    return ledger_of(*((v, to) for v in versions for to in ("Staging", "Production")))


@given(wishes)
def test_no_environment_ever_has_two_versions_in_production_or_staging(wished: list[Wish]) -> None:
    ledger: list[StageMove] = []
    for wish in wished:
        grant(ledger, wish)
        for environment in ("local", "paris"):
            held = [stage for (where, _), stage in rules.stages(ledger).items() if where == environment]
            assert held.count("Production") <= 1
            assert held.count("Staging") <= 1


@given(wishes)
def test_a_ledger_counts_without_holes_and_its_time_never_goes_back(wished: list[Wish]) -> None:
    ledger: list[StageMove] = []
    for wish in wished:
        grant(ledger, wish)
    assert [move.seq for move in ledger] == list(range(1, len(ledger) + 1))
    assert [move.at_ms for move in ledger] == sorted(move.at_ms for move in ledger)


@given(wishes, st.integers(0, 40), st.sampled_from(["local", "paris", "nowhere"]))
def test_the_newest_entries_say_what_the_whole_ledger_says_or_that_they_cannot(
    wished: list[Wish], length: int, environment: str
) -> None:
    ledger: list[StageMove] = []
    for wish in wished:
        grant(ledger, wish)
    tail = ledger[len(ledger) - min(length, len(ledger)) :]
    assert rules.current_by_tail(tail, environment) in (None, rules.current(ledger, environment))


def test_two_promotions_settle_both_stages_whatever_came_before() -> None:
    ledger = promoted(1, 2, 3)
    assert rules.current_by_tail(ledger[-2:], "local") == Stages(production=3, staging=None)
    assert rules.current_by_tail(ledger[-2:], "paris") is None


def test_a_deleted_version_is_in_no_environment_whichever_one_its_last_entry_names() -> None:
    ledger = ledger_of((1, "Staging"), (1, "Production"))
    for wish in ((1, "Staging", "paris", 0), (1, "Production", "paris", 0), (1, "Deleted", "local", 0)):
        assert grant(ledger, wish)
    assert ledger[-1].environment == "local"
    for environment in ("local", "paris"):
        assert rules.current_by_tail(ledger, environment) == Stages(production=None, staging=None)


@given(wishes)
def test_every_entry_starts_from_the_stage_in_which_the_ledger_before_it_leaves_the_version(wished: list[Wish]) -> None:
    ledger: list[StageMove] = []
    for wish in wished:
        grant(ledger, wish)
    for at, move in enumerate(ledger):
        assert move.from_stage == rules.stage_of(ledger[:at], move.environment, move.version)
        assert move.to_stage == "Deleted" or move.to_stage in ALLOWED[move.from_stage]


@given(wishes)
def test_after_its_deletion_a_version_is_nowhere_and_no_entry_moves_it(wished: list[Wish]) -> None:
    ledger: list[StageMove] = []
    for wish in wished:
        grant(ledger, wish)
    for version in range(1, 5):
        gone = rules.deletion_of(ledger, version)
        if gone is not None:
            assert not [move for move in ledger[gone.seq :] if version in (move.version, move.displaced)]
            assert {stage for (_, number), stage in rules.stages(ledger).items() if number == version} == {"Deleted"}
            for environment in ("local", "paris", "tokyo"):
                with pytest.raises(NoSuchVersion, match="was deleted"):
                    rules.next_move(ledger, model="pitch", version=version, to="Staging", environment=environment)


@given(wishes)
def test_a_repeated_wish_adds_nothing_and_finds_the_entry_that_granted_it(wished: list[Wish]) -> None:
    ledger: list[StageMove] = []
    for wish in wished:
        move = grant(ledger, wish)
        if move is not None:
            assert grant(ledger, wish) is None
            assert rules.entry_that_put(ledger, move.environment, move.version) == move
    assert [move.seq for move in ledger] == list(range(1, len(ledger) + 1))


@given(wishes)
def test_a_rollback_goes_to_an_archived_or_staged_version_that_was_in_production(wished: list[Wish]) -> None:
    ledger: list[StageMove] = []
    for wish in wished:
        grant(ledger, wish)
    try:
        target = rules.rollback_target(ledger)
    except NoSuchVersion:
        return
    was = [m.version for m in ledger if m.environment == "local" and m.to_stage == "Production"]
    assert target in was
    assert rules.stage_of(ledger, "local", target) in ("Archived", "Staging")


@given(wishes)
def test_rollbacks_in_a_row_come_to_an_end(wished: list[Wish]) -> None:
    ledger: list[StageMove] = []
    for wish in wished:
        grant(ledger, wish)
    for _ in range(5):  # four versions
        try:
            target = rules.rollback_target(ledger)
        except NoSuchVersion:
            return
        if rules.stage_of(ledger, "local", target) == "Staging":
            return  # that is a promotion, not a rollback
        assert grant(ledger, (target, "Production", "local", 0))
    pytest.fail("rollbacks go round in a circle")


@pytest.mark.parametrize("to", [stage for stage in STAGES if stage != "Deleted"])
@pytest.mark.parametrize("found", STAGES)
def test_exactly_the_moves_of_the_table_are_granted(found: Stage, to: Stage) -> None:
    ways: dict[Stage, list[tuple[int, Stage]]] = {
        "None": [],
        "Staging": [(1, "Staging")],
        "Production": [(1, "Staging"), (1, "Production")],
        "Archived": [(1, "Archived")],
        "Deleted": [(1, "Deleted")],
    }
    ledger = ledger_of(*ways[found])
    move = grant(ledger, (1, to, "local", 0))
    assert (move is not None) == (to in ALLOWED[found])


def test_a_refused_move_says_where_the_version_is_and_where_it_can_go() -> None:
    with pytest.raises(Refused, match=r"pitch@1 is in None in local: from there .* Staging or Archived, not to Prod"):
        rules.next_move([], model="pitch", version=1, to="Production")


def test_a_promotion_displaces_the_former_production_version_in_the_same_entry() -> None:
    ledger = promoted(1, 2)
    assert ledger[-1].displaced == 1
    assert rules.current(ledger, "local") == Stages(production=2, staging=None)
    assert rules.stage_of(ledger, "local", 1) == "Archived"


def test_a_new_staging_version_displaces_the_one_before() -> None:
    ledger = ledger_of((1, "Staging"), (2, "Staging"))
    assert ledger[-1].displaced == 1
    assert rules.current(ledger, "local") == Stages(production=None, staging=2)


def test_environments_do_not_see_each_other() -> None:
    ledger = promoted(1)
    assert rules.current(ledger, "paris") == Stages()
    assert grant(ledger, (2, "Staging", "paris", 0)) is not None
    assert rules.current(ledger, "local") == Stages(production=1)


@pytest.mark.parametrize(("expected", "found"), [(1, 2), (None, 2), (7, 2)])
def test_a_stale_expectation_is_a_conflict_that_names_both(expected: int | None, found: int) -> None:
    ledger = [*promoted(1, found)]
    grant(ledger, (3, "Staging", "local", 0))
    with pytest.raises(Conflict, match=f"is version {found}, not") as caught:
        rules.next_move(ledger, model="pitch", version=3, to="Production", expect_production=expected)
    assert caught.value.fields["found"] == found


@pytest.mark.parametrize("expected", [1, None, 7])
def test_a_stale_expectation_of_staging_is_a_conflict_that_names_both(expected: int | None) -> None:
    ledger = ledger_of((1, "Staging"), (2, "Staging"))
    with pytest.raises(Conflict, match="Staging in local is version 2, not") as caught:
        rules.next_move(ledger, model="pitch", version=3, to="Staging", expect_staging=expected)
    assert caught.value.fields["found"] == 2
    move = rules.next_move(ledger, model="pitch", version=3, to="Staging", expect_staging=2, expect_production=None)
    assert move is not None
    assert move.displaced == 2
    assert rules.next_move(ledger, model="pitch", version=2, to="Staging", expect_staging=1) is None


def test_a_fulfilled_expectation_is_granted_also_that_of_an_empty_production() -> None:
    staged = ledger_of((1, "Staging"))
    assert rules.next_move(staged, model="pitch", version=1, to="Production", expect_production=None)
    staged = [*promoted(1)]
    grant(staged, (2, "Staging", "local", 0))
    assert rules.next_move(staged, model="pitch", version=2, to="Production", expect_production=1)


def test_a_repeated_promotion_is_no_conflict_although_its_expectation_is_stale_by_itself() -> None:
    ledger = promoted(1, 2)
    assert rules.next_move(ledger, model="pitch", version=2, to="Production", expect_production=1) is None


def test_an_entry_keeps_who_run_and_why() -> None:
    author = Author(who="ann", run="manual__1", why="it is better")
    move = rules.next_move([], model="pitch", version=1, to="Staging", author=author, at_ms=5)
    assert move is not None
    assert (move.who, move.run, move.why, move.at_ms) == ("ann", "manual__1", "it is better", 5)


def test_rollback_goes_back_version_by_version_never_to_the_one_just_left() -> None:
    ledger = promoted(1, 2, 3)
    assert rules.rollback_target(ledger) == 2
    grant(ledger, (2, "Production", "local", 0))
    assert rules.rollback_target(ledger) == 1
    grant(ledger, (1, "Production", "local", 0))
    with pytest.raises(NoSuchVersion, match="nothing to roll back to"):
        rules.rollback_target(ledger)


def test_after_a_rollback_and_a_new_promotion_the_target_is_what_the_promotion_took_over_from() -> None:
    ledger = promoted(1, 2)
    grant(ledger, (1, "Production", "local", 0))
    for to in ("Staging", "Production"):
        grant(ledger, (3, to, "local", 0))
    assert rules.rollback_target(ledger) == 1


def test_a_version_promoted_again_through_staging_takes_over_like_a_new_one() -> None:
    ledger = promoted(1, 2, 1)
    assert rules.rollback_target(ledger) == 2


def test_after_production_was_retired_the_target_is_the_version_before_it() -> None:
    ledger = promoted(1, 2)
    grant(ledger, (2, "Archived", "local", 0))
    assert rules.current(ledger, "local") == Stages()
    assert rules.rollback_target(ledger) == 1
