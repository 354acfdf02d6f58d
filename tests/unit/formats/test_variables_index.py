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
from seatrial.formats.weights import Weights, weights_of
from tests.saved_models import FLOAT, Shard, variables_index, write_saved_model, write_variables

INT64, BF16 = 9, 14  # of types.proto
INDEX = variables_index([("a", 0, 0, 16), ("b", 0, 16, 64), ("c", 1, 8, 8)], shards=2)


def test_each_shard_needs_the_end_of_its_last_tensor() -> None:
    index = read_index(INDEX, "variables.index")
    assert index is not None
    assert (index.shards, index.needed) == (2, {0: 80, 1: 16})


def test_weights_are_told_apart_by_their_checksums_whatever_their_names_and_places() -> None:
    before = weights([("a", 0, 0, 16), ("b", 0, 16, 64)], {"a": 7, "b": 8})
    assert before.formats == {"FP32": 2}
    assert weights([("y", 0, 64, 16), ("x", 0, 0, 64)], {"y": 7, "x": 8}) == before
    assert weights([("a", 0, 0, 16), ("b", 0, 16, 64)], {"a": 7, "b": 9}).digest != before.digest


def test_the_precision_of_weights_is_their_dtype_and_counters_are_none() -> None:
    assert weights([("a", 0, 0, 16)], {}, dtype=BF16).precision == "BF16"
    assert weights([("step", 0, 0, 16)], {}, dtype=INT64) == Weights()
    assert weights([("single", 0, 0, 4)], {}) == Weights()


def weights(tensors: list[Shard], sums: dict[str, int], dtype: int = FLOAT) -> Weights:
    index = read_index(variables_index(tensors, dtype=dtype, sums=sums), "variables.index")
    assert index is not None
    return weights_of(index.weights, {})


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
