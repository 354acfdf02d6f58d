"""JSON from strangers: what is read, and what is refused with a name, a value and a limit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.strict_json import DEEPEST, depth, read_json

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
DOCUMENTS = st.recursive(PLAIN, lambda below: st.lists(below) | st.dictionaries(st.text(), below), max_leaves=20)


@given(DOCUMENTS)
def test_what_json_says_is_read_as_it_is(document: Any) -> None:
    assert read_json(json.dumps(document), "body") == document


def nested(levels: int) -> str:
    return '{"a":' * (levels // 2) + "[" * (levels - levels // 2) + "]" * (levels - levels // 2) + "}" * (levels // 2)


@given(st.integers(1, DEEPEST))
def test_the_limit_itself_is_read(levels: int) -> None:
    assert depth(read_json(nested(levels), "body")) == levels


@pytest.mark.parametrize("levels", [DEEPEST + 1, 200, 900])
def test_beyond_the_limit_the_part_is_named_with_its_depth(levels: int) -> None:
    text = f'{{"flat": [1], "document": {nested(levels - 1)}}}'
    with pytest.raises(Refused) as raised:
        read_json(text, "body")
    assert raised.value.fields == {"field": "body.document", "value": levels, "limit": DEEPEST}


@pytest.mark.parametrize("text", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000])
def test_what_python_cannot_read_at_all_is_refused_too(text: str) -> None:
    with pytest.raises(Refused, match=r"hundreds of levels deep \(limit: 64\)"):
        read_json(text, "body")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_is_not_finite_is_refused_by_the_path_to_it(number: str) -> None:
    with pytest.raises(Refused) as raised:
        read_json(f'{{"flat": 1.5, "mu": [0.5, {{"a": {number}}}]}}', "body")
    assert raised.value.fields == {"field": "body.mu.1.a", "value": number, "limit": "finite"}


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}}', "\x00", "9" * 5000])
def test_what_is_no_json_is_no_refusal_of_ours(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        read_json(text, "body")
    assert not isinstance(raised.value, Refused)


@pytest.mark.parametrize("text", [r'{"\ud800": 1}', r'["\ud800"]', r'["\udc00\ud800"]'])
def test_half_a_character_is_refused_and_a_whole_one_is_not(text: str) -> None:
    for data in (text, text.encode(), text.encode("utf-16"), text.encode("utf-32-le")):  # as json itself reads them
        with pytest.raises(Refused, match="body: holds half a character"):
            read_json(data, "body")
    with pytest.raises(Refused, match="body: holds half a character"):
        read_json(b'["\xed\xa0\x80"]', "body")
    for whole in (r'["\ud83d\ude00"]', '["😀"]', '["😀"]'.encode(), '["😀"]'.encode("utf-16")):
        assert read_json(whole, "body") == ["😀"]
