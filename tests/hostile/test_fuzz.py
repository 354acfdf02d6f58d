"""The fuzzer's targets read what they start from, and whatever a parser does wrong is found with the bytes of it."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from contextlib import suppress
from random import Random

import pytest

from tests.fuzz import rounds
from tests.fuzz.damage import changed, read, write
from tests.fuzz.parsers import PARSERS, Parser
from tests.fuzz.rounds import Finding, play
from tests.saved_models import saved_model


def _raises(data: bytes) -> None:
    if b"!" in data:
        raise RuntimeError("it holds a mark")


def _ends(data: bytes) -> None:
    if b"!" in data:
        ctypes.string_at(0)


def _hangs(data: bytes) -> None:
    while b"!" in data:
        pass


def _found(reads: Callable[[bytes], None]) -> Finding | None:
    return play(Parser(reads, (b"sound! bytes",)), time.monotonic() + 20)[1]


@pytest.mark.parametrize("name", PARSERS)
def test_a_target_reads_the_bytes_that_it_starts_from(name: str) -> None:
    parser, read_whole = PARSERS[name], 0
    for seed in parser.seeds:
        with suppress(*parser.refuses):
            parser.reads(seed)
            read_whole += 1
    assert read_whole


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
    found = _found(_hangs)
    assert found is not None
    assert found.ended
    assert b"!" in found.data


def test_a_round_without_a_finding_says_how_much_was_tried() -> None:
    tried, found = play(PARSERS["path"], time.monotonic() + 0.5)
    assert found is None
    assert tried.inputs > 100


def test_a_message_is_read_and_written_again_and_changed_within() -> None:
    seed = saved_model()
    fields = read(seed)
    assert fields is not None
    assert write(fields) == seed
    made = {changed(seed)(Random(number)) for number in range(50)}
    assert len(made) > 40
    assert sum(read(data) is not None for data in made) > 40, "most damage is within a message that can be read"
