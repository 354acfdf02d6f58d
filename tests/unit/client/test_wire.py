from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from seatrial.client.wire import BadContents, from_raw, to_raw
from seatrial.errors import Refused
from seatrial.tensors import DTYPES, Array, dtype_name

PLAIN = st.sampled_from([dtype for name, dtype in DTYPES.items() if name != "BYTES"])


@given(hnp.arrays(PLAIN, hnp.array_shapes(min_dims=0, min_side=0)))
def test_plain_tensors_come_back_as_they_went(array: Array) -> None:
    found = from_raw(dtype_name(array), array.shape, to_raw(array))
    assert found.dtype == array.dtype
    assert found.tobytes() == array.tobytes()


@given(st.lists(st.binary(), min_size=1))
def test_bytes_are_written_and_read_as_triton_does(values: list[bytes]) -> None:
    array = np.empty(len(values), dtype=np.object_)
    array[:] = values
    assert to_raw(array) == serialize_byte_tensor(array).item()
    assert list(from_raw("BYTES", array.shape, to_raw(array))) == list(deserialize_bytes_tensor(to_raw(array)))


@given(st.sampled_from(sorted(DTYPES)), st.lists(st.integers(-1, 4), max_size=3), st.binary(max_size=64))
def test_any_contents_are_a_tensor_or_bad_contents(dtype: str, shape: list[int], data: bytes) -> None:
    try:
        found = from_raw(dtype, tuple(shape), data)
    except BadContents:
        return
    assert found.shape == tuple(shape)


def test_columns_first_and_big_endian_arrays_are_sent_row_by_row_little_endian() -> None:
    array = np.arange(6, dtype=">i4").reshape(2, 3, order="F")
    assert np.array_equal(from_raw("INT32", (2, 3), to_raw(array)), array)


def test_objects_that_are_no_text_are_refused() -> None:
    with pytest.raises(Refused, match="not int"):
        to_raw(np.array([1], dtype=np.object_))
