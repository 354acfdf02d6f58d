"""YAML of strangers is read once, and refused before anything is made of it."""

from __future__ import annotations

import pytest

from seatrial.errors import UploadRefused
from seatrial.uploads.yaml_guard import DEEPEST, LONGEST_FILE, LONGEST_SCALAR, MOST_NODES, read_yaml_mapping

HOSTILE = {
    "an anchor": ("a: &x 1", "anchor or alias"),
    "an alias": ("a: 1\nb: *a", "anchor or alias"),
    "a merge of an alias": ("a: &x {b: 1}\nc:\n  <<: *x", "anchor or alias"),
    "a tag": ("a: !!python/object/apply:os.system [ls]", "tag"),
    "a plain tag": ("a: !!str 1", "tag"),
    "levels": ("a: " + "[" * DEEPEST + "]" * DEEPEST, f"limit: {DEEPEST} levels"),
    "levels without an end": ("a: " + "[" * 50_000, f"limit: {DEEPEST} levels"),
    "nodes": ("a: [" + "1," * MOST_NODES + "]", f"limit: {MOST_NODES}"),
    "a long value": (f"a: {'x' * (LONGEST_SCALAR + 1)}", f"limit: {LONGEST_SCALAR} characters"),
    "a long file": ("#" * (LONGEST_FILE + 1), f"limit: {LONGEST_FILE} bytes"),
    "a key twice": ("a: 1\nb: 2\na: 3", "line 3: 'a' is given twice"),
    "a key twice, deep": ("a:\n  - b: 1\n    b: 2", "line 3: 'b' is given twice"),
    "two documents": ("a: 1\n---\nb: 2", "not valid YAML"),
    "no mapping": ("- a", "not a mapping"),
    "nothing": ("", "not a mapping"),
    "no YAML": ("a: [", "not valid YAML"),
    "no text": ("\0", "not valid YAML"),
    "a day that is none": ("a: 2020-99-99", "cannot be read"),
    "an integer that nothing can show": (f"a: 0x{'f' * 5000}", "integer of 20000 bits"),
    "a key that is a list": ("? [a]\n: 1", "not valid YAML"),
}


@pytest.mark.parametrize(("text", "said"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_plain_mapping_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(UploadRefused) as caught:
        read_yaml_mapping(text.encode(), "model.yaml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("model.yaml")
    assert "\n" not in str(caught.value)


def test_plain_values_are_read_as_yaml_says_them() -> None:
    text = "a: 1\nb: [x, 2.5, null, true]\nc:\n  d: 'two\n    lines'\n"
    assert read_yaml_mapping(text.encode(), "f") == {"a": 1, "b": ["x", 2.5, None, True], "c": {"d": "two lines"}}


def test_what_is_at_a_limit_is_read() -> None:
    deep = DEEPEST - 1
    assert read_yaml_mapping(b"a: " + b"[" * deep + b"]" * deep, "f")["a"] is not None
    assert read_yaml_mapping(b"a: " + b"x" * LONGEST_SCALAR, "f") == {"a": "x" * LONGEST_SCALAR}
