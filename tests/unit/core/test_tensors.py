from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seatrial.errors import BadInput, Refused
from seatrial.tensors import Signature, TensorSpec, check_tensors, from_npz, to_npz

DTYPES = st.sampled_from([np.float32, np.int64, np.uint8, np.bool_, np.float16])


@given(hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, max_side=4)), st.booleans())
def test_tensors_come_back_from_npz_as_they_went(array: np.ndarray[Any, Any], fortran: bool) -> None:
    given_array = np.asfortranarray(array) if fortran and array.ndim else array
    back = from_npz(to_npz({"file": given_array}))["file"]
    assert (back.dtype, back.shape) == (given_array.dtype, given_array.shape)
    assert np.array_equal(back, given_array, equal_nan=array.dtype.kind == "f")


@given(st.binary(max_size=200))
def test_garbage_is_refused_not_crashed_on(data: bytes) -> None:
    with pytest.raises(Refused):
        from_npz(data)


@given(st.integers(30, 400), st.integers(0, 255))
def test_a_damaged_npz_is_refused_or_read_whole(at: int, value: int) -> None:
    data = bytearray(to_npz({"x": np.arange(12.0)}))
    data[at % len(data)] = value
    try:
        found = from_npz(bytes(data))
    except Refused:
        return
    assert all(array.nbytes <= 4096 for array in found.values())


def test_pickles_and_oversized_claims_are_refused() -> None:
    with pytest.raises(Refused, match="cannot be kept"):
        to_npz({"x": np.array(["a", None], dtype=object)})
    with pytest.raises(Refused, match="100 are left"):
        from_npz(to_npz({"x": np.zeros(1000)}), limit_bytes=100)


SPECS = (TensorSpec("x", "FP32", (-1, 4)),)


@pytest.mark.parametrize(
    ("tensors", "layer"),
    [
        ({}, "x"),
        ({"x": np.zeros((1, 4), np.float64)}, "x"),
        ({"x": np.zeros((1, 3), np.float32)}, "x"),
        ({"x": np.zeros(4, np.float32)}, "x"),
        ({"x": np.zeros((1, 4), np.float32), "z": np.zeros(1)}, "z"),
    ],
)
def test_a_wrong_layer_is_named_with_what_is_expected(tensors: dict[str, Any], layer: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_tensors(SPECS, tensors)
    assert caught.value.fields["layer"] == layer


def test_a_signature_survives_json() -> None:
    signature = Signature(SPECS, (TensorSpec("y", "BYTES", (1,)),))
    assert Signature.from_dict(signature.to_dict()) == signature
