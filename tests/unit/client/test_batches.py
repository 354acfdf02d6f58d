from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.client.batches import join, split
from seatrial.client.routes import CaptureRule, Route
from seatrial.client.steps import InferResult
from seatrial.errors import BadInput, Refused
from seatrial.tensors import Array, Signature, TensorSpec

X, SCALE = TensorSpec("x", "FP32", (-1, 2)), TensorSpec("scale", "FP32", (1,))
SIGNATURE = Signature((X, SCALE), (TensorSpec("y", "FP32", (-1, 2)),))
ONE = np.ones(1, np.float32)


def _answer(signature: Signature, outputs: dict[str, Array]) -> InferResult:
    return InferResult(outputs, Route("tiny", 1, 1, signature, (), CaptureRule(0, 0)), "a:1")


@given(st.integers(0, 50), st.integers(1, 8), st.one_of(st.none(), st.integers(1, 60)))
def test_what_was_split_is_joined_in_order_and_no_piece_is_too_large(
    count: int, servers: int, rows: int | None
) -> None:
    x = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    pieces = split(SIGNATURE, {"x": x, "scale": ONE}, servers, rows)
    assert all(len(piece["x"]) <= (rows or max(1, -(-count // servers))) for piece in pieces)
    assert rows is not None or len(pieces) <= servers
    assert all(np.array_equal(piece["scale"], ONE) for piece in pieces)
    found = join(SIGNATURE, [_answer(SIGNATURE, {"y": piece["x"]}) for piece in pieces])
    assert np.array_equal(found["y"], x)


def test_pieces_are_views_of_what_was_given() -> None:
    x = np.zeros((4, 2), np.float32)
    assert all(np.shares_memory(piece["x"], x) for piece in split(SIGNATURE, {"x": x, "scale": ONE}, 2, None))


def test_layers_of_different_lengths_are_bad_input() -> None:
    both = Signature((X, TensorSpec("z", "FP32", (-1,))), ())
    with pytest.raises(BadInput, match="rows"):
        split(both, {"x": np.zeros((4, 2), np.float32), "z": np.zeros(3, np.float32)}, 2, None)


@pytest.mark.parametrize("rows", [0, -1])
def test_requests_of_less_than_a_row_are_refused(rows: int) -> None:
    with pytest.raises(Refused, match=f"{rows} rows"):
        split(SIGNATURE, {"x": np.zeros((4, 2), np.float32), "scale": ONE}, 2, rows)


def test_what_has_no_free_first_dimension_is_refused() -> None:
    with pytest.raises(Refused, match="no batch"):
        split(Signature((SCALE,), ()), {"scale": ONE}, 2, None)
    fixed = Signature((X,), (SCALE,))
    with pytest.raises(Refused, match="'scale'"):
        join(fixed, [_answer(fixed, {"scale": ONE})] * 2)
