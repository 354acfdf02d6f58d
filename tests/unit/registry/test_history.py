"""Who held a stage when: the fold against a naive model, and the dossier's shape."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.registry import rules
from seatrial.registry.dossier import dossier, policy
from seatrial.registry.entities import Evidence, StageMove
from seatrial.registry.history import held_at, known_at, touching
from tests.unit.registry.test_query import version_of
from tests.unit.registry.test_rules import Wish, grant, promoted, wishes


def slowly(wished: list[Wish]) -> list[StageMove]:
    """A ledger whose times are close to each other, so that moments fall between and on entries."""
    ledger: list[StageMove] = []
    for at, (version, to, environment, step) in enumerate(wished):
        grant(ledger, (version, to, environment, at * 10 + step % 20))
    return ledger


def naive(ledger: list[StageMove], environment: str, at_ms: int) -> dict[str, tuple[int, int]]:
    """Stage → (version, seq that put it there), by replaying a table of two slots entry by entry."""
    slots: dict[str, tuple[int, int]] = {}
    for move in ledger:
        if move.at_ms > at_ms or (move.environment != environment and move.to_stage != "Deleted"):
            continue
        slots = {stage: held for stage, held in slots.items() if held[0] != move.version}
        if move.to_stage in ("Production", "Staging"):
            slots[move.to_stage] = (move.version, move.seq)
    return slots


@given(wishes, st.integers(-5, 500), st.sampled_from(["local", "paris", "nowhere"]))
def test_production_at_a_moment_is_what_a_naive_replay_says(wished: list[Wish], at_ms: int, environment: str) -> None:
    ledger = slowly(wished)
    held, slots = held_at(ledger, environment, at_ms), naive(ledger, environment, at_ms)
    for stage, tenure in (("Production", held.production), ("Staging", held.staging)):
        assert (None if tenure is None else (tenure.version, tenure.began.seq)) == slots.get(stage)


@given(wishes)
def test_a_tenure_lasts_from_its_entry_to_the_one_that_ends_it(wished: list[Wish]) -> None:
    ledger = slowly(wished)
    for at_ms in sorted({move.at_ms for move in ledger}):
        tenure = held_at(ledger, "local", at_ms).production
        if tenure is None:
            continue
        assert tenure.began.at_ms <= at_ms
        if tenure.ended is None:
            assert rules.current(ledger, "local").production == tenure.version
        else:
            assert tenure.ended.at_ms > at_ms
            after = held_at(ledger, "local", tenure.ended.at_ms).production
            assert after is None or after.began.seq >= tenure.ended.seq


def test_an_entry_counts_from_its_own_millisecond_on() -> None:
    ledger = [move.model_copy(update={"at_ms": move.seq * 10}) for move in promoted(1, 2)]
    found = [held_at(ledger, "local", at_ms).production for at_ms in (19, 20, 39, 40)]
    assert [tenure and tenure.version for tenure in found] == [None, 1, 1, 2]
    assert found[2] is not None
    assert found[2].ended == ledger[3]


def evidence(id: int, kind: str, key: str, at_ms: int, run: str = "r", **document: object) -> Evidence:
    return Evidence(id=id, model_id=1, kind=kind, key=key, run=run, at_ms=at_ms, document=document)


some_evidence = st.lists(
    st.builds(evidence, st.integers(1, 99), st.sampled_from("AB"), st.sampled_from("xy"), st.integers(0, 9)),
    max_size=8,
    unique_by=lambda one: one.id,
)


@given(some_evidence, st.integers(0, 9))
def test_what_was_known_is_the_newest_of_each_kind_written_by_then(kept: list[Evidence], at_ms: int) -> None:
    known = known_at(kept, at_ms)
    assert len({(one.kind, one.key) for one in known}) == len(known)
    for one in kept:
        if one.at_ms <= at_ms:
            assert any((k.kind, k.key) == (one.kind, one.key) and k.at_ms >= one.at_ms for k in known)
    assert all(one.at_ms <= at_ms for one in known)


def test_a_dossier_has_its_shape_and_everything_of_its_version() -> None:
    parts = [{"name": "errors", "verdict": "PASS", "value": 0, "limit": 0.01, "samples": 9, "sentence": "none"}]
    documents = [
        evidence(4, "PushAutoscaling", "policy", 40, target_per_replica=7.0),
        evidence(3, "ChooseHardware", "choice", 30, policy={"target_per_replica": 6.0}),
        evidence(2, "ProfileHardware", "cpu-1x1", 20, capacity={"mu": 9.0}),
        evidence(1, "ShadowValidate", "report", 10, run="", verdict="PASS", sentence="same", parts=parts, seed=1),
    ]
    ledger = promoted(1, 2)
    found = dossier(version_of(), ledger, documents, {"model.onnx": "d"}, kept=True)
    assert list(found) == [
        "schema", "version", "files", "files_kept", "verdicts", "cells", "policy", "ledger", "runs", "evidence",
    ]  # fmt: skip
    assert found["schema"] == 1
    assert found["verdicts"][0]["parts"] == parts
    assert found["cells"] == [{"id": 2, "run": "r", "capacity": {"mu": 9.0}}]
    assert found["policy"] == {"target_per_replica": 7.0}
    assert [move["seq"] for move in found["ledger"]] == [1, 2, 4]
    assert found["version"]["stages"] == {"local": "Archived"}
    assert found["runs"] == [
        {"run": "r", "steps": ["ProfileHardware", "ChooseHardware", "PushAutoscaling"], "first_ms": 20, "last_ms": 40}
    ]
    assert [one["id"] for one in found["evidence"]] == [1, 2, 3, 4]
    assert json.loads(json.dumps(found)) == found


def test_before_a_policy_is_pushed_the_chosen_one_counts() -> None:
    chosen = evidence(3, "ChooseHardware", "choice", 30, policy={"target_per_replica": 6.0})
    assert policy([chosen]) == {"target_per_replica": 6.0}
    assert policy([]) is None


@pytest.mark.parametrize(("version", "seqs"), [(1, [1, 2, 4]), (2, [3, 4]), (3, [])])
def test_an_entry_touches_the_version_it_moved_and_the_one_it_displaced(version: int, seqs: list[int]) -> None:
    assert [move.seq for move in touching(promoted(1, 2), version)] == seqs
