from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from seatrial.client.inputs import as_arrays, fit, joined
from seatrial.errors import BadInput, Refused
from seatrial.tensors import DTYPES, Array, Signature, TensorSpec


def _given(dtype: str, value: ArrayLike) -> Array:
    return as_arrays(Signature((TensorSpec("x", dtype, (-1,)),), ()), {"x": value})["x"]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1), st.sampled_from(["INT8", "UINT16", "INT64", "FP32"]))
def test_integers_arrive_exactly_or_not_at_all(values: list[int], dtype: str) -> None:
    try:
        found = _given(dtype, values)
    except BadInput:
        return
    assert found.dtype == DTYPES[dtype]
    assert [int(value) for value in found] == values


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_integers_beyond_the_signed_ones_arrive_exactly(values: list[int]) -> None:
    assert _given("UINT64", values).tolist() == values


@given(st.lists(st.binary()), st.lists(st.text()))
def test_bytes_and_text_arrive_whole(chunks: list[bytes], words: list[str]) -> None:
    assert list(_given("BYTES", chunks)) == chunks
    assert list(_given("BYTES", words)) == words


@given(st.lists(st.floats(width=32)))
def test_floats_of_the_layers_width_arrive_exactly(values: list[float]) -> None:
    assert np.array_equal(_given("FP32", values), np.array(values, np.float32), equal_nan=True)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("FP32", [[1.0], [1.0, 2.0]]),
        ("FP32", ["1"]),
        ("FP32", None),
        ("FP16", [1e9]),
        ("INT32", [0.5]),
        ("INT32", [float("inf")]),
        ("INT32", [float("nan"), 1]),
        ("INT8", [300]),
        ("UINT8", [-1]),
        ("FP32", [2**53 + 1]),
        ("BOOL", [2]),
        ("BYTES", [1]),
    ],
)
def test_what_a_layer_cannot_hold_is_bad_input_naming_the_layer(dtype: str, value: ArrayLike) -> None:
    with pytest.raises(BadInput, match="layer 'x'"):
        _given(dtype, value)


def test_an_array_keeps_its_dtype() -> None:
    assert _given("FP32", np.zeros(2, np.float64)).dtype == np.float64


def test_an_array_without_a_name_is_refused_with_what_to_write_instead() -> None:
    with pytest.raises(Refused, match=r"as keywords \(audio=array\) or as a dict .* got ndarray"):
        joined(np.ones(4), {})  # type: ignore[arg-type]
    assert joined({"x": 1}, {"y": 2}) == {"x": 1, "y": 2}


@pytest.mark.parametrize("value", [16000, np.int64(16000), [16000], np.array([16000])])
def test_a_number_alone_is_the_one_element_of_a_layer(value: ArrayLike) -> None:
    signature = Signature((TensorSpec("sr", "INT64", (1,)),), ())
    assert fit(signature, {"sr": value})["sr"].tolist() == [16000]


def test_an_array_without_dimension_stays_what_it_is() -> None:
    with pytest.raises(BadInput, match="INT64\\[1\\]"):
        fit(Signature((TensorSpec("sr", "INT64", (1,)),), ()), {"sr": np.array(16000)})
