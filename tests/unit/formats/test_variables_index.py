"""variables.index without TensorFlow: what each shard must hold, and no bytes that make the reader raise otherwise."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import UploadRefused
from seatrial.formats import savedmodel
from seatrial.formats.variables_index import read_index
from tests.saved_models import variables_index, write_saved_model, write_variables

INDEX = variables_index([("a", 0, 0, 16), ("b", 0, 16, 64), ("c", 1, 8, 8)], shards=2)


def test_each_shard_needs_the_end_of_its_last_tensor() -> None:
    index = read_index(INDEX, "variables.index")
    assert index is not None
    assert (index.shards, index.needed) == (2, {0: 80, 1: 16})


def test_a_compressed_index_is_unknown_and_said() -> None:
    kind = len(INDEX) - 48 - 5  # of the block of blocks, before its checksum
    assert read_index(INDEX[:kind] + b"\1" + INDEX[kind + 1 :], "variables.index") is None


@given(st.integers(0, len(INDEX) - 1), st.integers(1, 255))
def test_a_changed_byte_is_read_or_refused(at: int, mask: int) -> None:
    changed = bytearray(INDEX)
    changed[at] ^= mask
    _read(bytes(changed))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    _read(data)
    _read(data + INDEX[-48:])


def _read(data: bytes) -> None:
    with suppress(UploadRefused):
        read_index(data, "variables.index")


@pytest.mark.parametrize(("size", "said"), [(16, []), (20, ["20"])])
def test_a_shard_with_more_than_its_tensors_is_worth_a_word(tmp_path: Path, size: int, said: list[str]) -> None:
    write_saved_model(tmp_path / "saved_model")
    write_variables(tmp_path / "saved_model", [("a", 0, 0, 16)], [size])
    facts = savedmodel.inspect(tmp_path, "saved_model")
    assert [finding.value for finding in facts.findings] == said
    assert all("limit: 16 bytes" in str(finding) for finding in facts.findings)
