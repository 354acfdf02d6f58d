"""The fuzzer's targets read what they start from, and whatever a parser does wrong is found with the bytes of it."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from random import Random

import pytest

from tests.fuzz import rounds
from tests.fuzz.damage import changed, read, write
from tests.fuzz.parsers import PARSERS, Parser
from tests.fuzz.rounds import Finding, Over, play
from tests.saved_models import saved_model


def _raises(data: bytes) -> None:
    if b"!" in data:
        raise RuntimeError("it holds a mark")


def _ends(data: bytes) -> None:
    if b"!" in data:
        ctypes.string_at(0)


def _found(reads: Callable[[bytes], None]) -> Finding | None:
    return play(Parser(reads, (b"sound! bytes",)), _tried(100_000))[1]


def _tried(inputs: int) -> Over:
    return lambda tried: tried.inputs >= inputs


@pytest.mark.parametrize("name", PARSERS)
def test_a_target_refuses_none_of_the_bytes_that_it_starts_from(name: str) -> None:
    assert PARSERS[name].seeds
    for seed in PARSERS[name].seeds:
        PARSERS[name].reads(seed)


@pytest.mark.parametrize("name", ["plan-header", "plan-device"])
def test_a_target_for_which_nothing_is_an_answer_has_more_to_say_of_what_it_starts_from(name: str) -> None:
    assert all(PARSERS[name].reads(seed) for seed in PARSERS[name].seeds)


def test_a_parser_that_raises_is_found_with_the_smallest_bytes() -> None:
    found = _found(_raises)
    assert (found and found.data, found and found.said) == (b"!", "RuntimeError: it holds a mark")


def test_a_parser_that_ends_its_process_is_found_with_the_bytes_that_it_read() -> None:
    found = _found(_ends)
    assert found is not None
    assert found.ended
    assert found.said == "signal 11 ended the process"
    assert b"!" in found.data


def test_a_parser_that_does_not_return_is_found_with_the_bytes_that_it_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LONGEST_INPUT_S", 0.2)
    shared = mmap.mmap(-1, 2**16)

    def hangs(data: bytes) -> None:
        if not data:
            return
        shared[: len(data)] = data
        while True:
            pass

    found = _found(hangs)
    assert found is not None
    assert found.ended
    assert "took longer" in found.said
    assert found.data
    assert found.data == shared[: len(found.data)]
    assert not any(shared[len(found.data) :])


def test_a_round_without_a_finding_says_how_much_was_tried() -> None:
    tried, found = play(PARSERS["path"], _tried(200))
    assert found is None
    assert tried.inputs == 200


def test_a_message_is_read_and_written_again_and_changed_within() -> None:
    seed = saved_model()
    fields = read(seed)
    assert fields is not None
    assert write(fields) == seed
    made = {changed(seed)(Random(number)) for number in range(50)}
    assert len(made) > 40
    assert sum(read(data) is not None for data in made) > 40, "most damage is within a message that can be read"
