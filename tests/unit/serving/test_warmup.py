"""Warm-up samples: kept as one file, and made into the batches that a server runs before it is ready."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import BadInput
from seatrial.serving import warmup
from seatrial.serving.warmup import batch_sizes, pack, unpack, warm_ups
from seatrial.tensors import TensorSpec, to_npz

INPUTS = (TensorSpec("x", "FP32", (-1, 4)), TensorSpec("a/b", "INT64", (-1, 1)))


def sample(rows: int, value: float = 0.0) -> dict[str, np.ndarray]:
    return {"x": np.full((rows, 4), value, np.float32), "a/b": np.zeros((rows, 1), np.int64)}


def test_samples_come_back_as_they_were_packed_one_for_each_set_of_shapes() -> None:
    expected = {"expected.y": np.zeros(3)}
    packed = pack([{**sample(1, 1.0), **expected}, sample(1, 2.0), sample(3, 3.0)], INPUTS)
    found = unpack(packed, INPUTS)
    assert [(list(s), s["x"].shape, float(s["x"].max())) for s in found] == [
        (["x", "a/b"], (1, 4), 1.0),
        (["x", "a/b"], (3, 4), 3.0),
    ]


def test_the_npz_of_one_sample_is_one_sample() -> None:
    (found,) = unpack(to_npz({**sample(2), "expected.y": np.zeros(3)}), INPUTS)
    assert list(found) == ["x", "a/b"]


def test_a_sample_without_an_input_is_refused_before_and_after() -> None:
    for attempt in (lambda: pack([{"x": np.zeros(1)}], INPUTS), lambda: unpack(to_npz({"z": np.zeros(1)}), INPUTS)):
        with pytest.raises(BadInput, match="warm-up sample"):
            attempt()


def test_packing_stops_at_the_limit_but_keeps_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmup, "LARGEST", 100)
    assert len(unpack(pack([sample(100), sample(1)], INPUTS), INPUTS)) == 1
    assert len(unpack(pack([sample(1), sample(2), sample(100)], INPUTS), INPUTS)) == 2


def test_without_batching_each_sample_is_one_request_as_it_is() -> None:
    found = warm_ups([sample(3), sample(1)], 1)
    assert [(w.requests, w.tensors["x"].shape) for w in found] == [(1, (3, 4)), (1, (1, 4))]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.integers(2, 20))
def test_with_batching_every_sample_is_run_and_the_sizes_of_a_batch_too(rows: list[int], most: int) -> None:
    found = warm_ups([sample(count) for count in rows], most)
    assert all(w.tensors["x"].shape == (4,) for w in found), "Triton adds the batch axis"
    assert all(1 <= w.requests <= most for w in found)
    assert {int(w.name.split("-")[1]) for w in found} == {n for n, count in enumerate(rows) if count}
    if any(rows):
        assert {w.requests for w in found} >= set(batch_sizes(most))
    assert len({w.file(0) for w in found}) == len(found)


@given(st.integers(2, 1024))
def test_batch_sizes_double_up_to_the_largest(most: int) -> None:
    found = batch_sizes(most)
    assert (found[0], found[-1]) == (1, most)
    assert all(small < large <= 2 * small for small, large in pairwise(found))
