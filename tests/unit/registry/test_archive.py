"""An exported file: read back as it was written, refused when anything is missing, moved or changed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.registry.archive import Entry, read, write
from seatrial.registry.entities import RegisteredModel
from tests.unit.registry.test_history import evidence
from tests.unit.registry.test_query import version_of
from tests.unit.registry.test_rules import promoted

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def entries_of(description: str = "größer\n ", number: float = 0.1) -> list[Entry]:
    """Two versions with evidence between them and an id left out, and their ledger."""
    return [
        RegisteredModel(name="bass", created_ms=5),
        RegisteredModel(name="pitch", created_ms=7),
        version_of(model_id=1, version=1, description=description, hyper_parameters={"a": True, "b": 1, "c": 1.0}),
        evidence(2, "ShadowValidate", "report", 10, verdict="PASS", number=number),
        version_of(model_id=5, version=2, metrics={"f1": number}),
        *promoted(1, 2),
    ]


@given(texts, st.floats(allow_nan=False, allow_infinity=False))
def test_a_file_is_read_back_as_it_was_written_and_written_again_as_it_was(text: str, number: float) -> None:
    lines = list(write(entries_of(text, number)))
    found = list(read(lines))
    assert found == entries_of(text, number)
    assert list(write(found)) == lines


def test_an_empty_registry_is_a_file_too() -> None:
    assert list(read(write([]))) == []


@given(st.data())
def test_a_file_that_was_cut_off_anywhere_is_refused(data: st.DataObject) -> None:
    whole = b"".join(write(entries_of()))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(Refused, match=r"cut off|header"):
        list(read(cut.splitlines(keepends=True)))


@given(st.data())
def test_a_changed_byte_is_never_taken_for_the_file(data: st.DataObject) -> None:
    whole = b"".join(write(entries_of()))
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    try:
        found = list(read(changed.splitlines(keepends=True)))
    except Refused:
        return
    assert found == entries_of()


def sealed(lines: list[bytes]) -> list[bytes]:
    """The lines with an end that fits them: only the order and content of lines is wrong."""
    import hashlib

    counts = dict.fromkeys(("models", "versions", "evidence", "moves"), 0)
    names = {"model": "models", "version": "versions", "evidence": "evidence", "move": "moves"}
    for line in lines[1:]:
        counts[names[line.split(b'"')[3].decode()]] += 1
    end = {"line": "end", **counts, "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}
    return [*lines, json.dumps(end).encode() + b"\n"]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ([0, 2, 1, 3, 4, 5], "line 3: models are not in the order"),
        ([0, 1, 3, 4, 5], "line 3: no such model"),
        ([0, 1, 2, 4, 3, 5], "line 4: no such version"),
        ([0, 1, 2, 5], "line 4: no such model, or not the number that follows"),
        ([0, 1, 2, 3, 5, 4], "line 6: ids do not grow"),
        ([0, 1, 2, 3, 3, 5], "line 5: ids do not grow"),
        ([0, 1, 2, 3, 4, 5, 7], "line 7: no such version, or a hole"),
        ([0, 1, 2, 3, 6, 5], "line 6: a version stands too late"),
        ([1, 2], "line 1: is not the header"),
    ],
)
def test_lines_that_could_not_be_written_back_are_refused_by_number(order: list[int], said: str) -> None:
    lines = list(write(entries_of()))[:-1]
    with pytest.raises(Refused, match=said):
        list(read(sealed([lines[at] for at in order])))


def test_a_file_of_a_later_schema_or_with_unknown_fields_is_refused() -> None:
    lines = list(write(entries_of()))
    with pytest.raises(Refused, match="schema 2 is not known here"):
        list(read([lines[0].replace(b'"schema":1', b'"schema":2'), *lines[1:]]))
    with pytest.raises(Refused, match="line 2: colour: Extra inputs"):
        list(read([lines[0], lines[1].replace(b'"name"', b'"colour":1,"name"'), *lines[2:]]))
    with pytest.raises(Refused, match="'note' is not a kind of line"):
        list(read([lines[0], b'{"line":"note"}\n']))
    with pytest.raises(Refused, match="stands after the end"):
        list(read([*lines, lines[1]]))


def test_ids_that_are_left_out_have_a_limit() -> None:
    far = [entries_of()[1], version_of(model_id=2_000_000)]
    with pytest.raises(Refused, match="line 3: more than 1000000 ids are left out"):
        list(read(write(far)))


@pytest.mark.parametrize("document", ["[" * 64 + "]" * 64, "[" * 100_000 + "]" * 100_000, "NaN", "1e999"])
def test_a_line_that_nests_too_deep_or_holds_no_number_is_refused_by_number(document: str) -> None:
    lines = list(write(entries_of()))[:-1]
    lines[4] = lines[4].replace(b'"document":{', f'"document":{{"more":{document},'.encode())
    with pytest.raises(Refused, match=r"^line 5: .*(deep \(limit: 64\)|finite)"):
        list(read(sealed(lines)))
