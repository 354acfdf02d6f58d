from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.client import encoder, messages
from seatrial.client.encoder import Encoder
from seatrial.client.wire import rounded
from seatrial.errors import BadInput, Refused
from seatrial.tensors import DTYPES, Array, Signature, TensorSpec


def _encoder(*layers: TensorSpec) -> Encoder:
    return Encoder("tiny", 1, Signature(layers, ()))


X = TensorSpec("x", "FP32", (-1, 4))


def test_layers_go_in_the_signatures_order_whatever_order_they_are_given_in() -> None:
    encode = _encoder(X, TensorSpec("n", "INT64", (1,))).encode
    n, x = np.array([7]), np.ones((2, 4), np.float32)
    for _ in range(2):
        _, found = messages.read_request(encode({"n": n, "x": x}))
        assert list(found) == ["x", "n"]
        assert found["n"] == n


@pytest.mark.parametrize(
    "layers",
    [
        {},
        {"x": np.ones((1, 5), np.float32)},
        {"x": np.ones((1, 4), np.float64)},
        {"x": np.ones((1, 4), np.float32), "more": np.ones(1, np.float32)},
        {"X": np.ones((1, 4), np.float32)},
    ],
    ids=["missing", "shape", "dtype", "extra", "name"],
)
def test_what_does_not_fit_is_bad_input_also_after_requests_that_did(layers: dict[str, Array]) -> None:
    encode = _encoder(X).encode
    encode({"x": np.ones((1, 4), np.float32)})
    with pytest.raises(BadInput):
        encode(layers)


@pytest.mark.parametrize(
    "x",
    [
        np.ones((0, 4), np.float32),
        np.full((1, 4), np.nan, np.float32),
        np.arange(8, dtype=np.float32).reshape(4, 2).T,
        np.arange(8, dtype=np.float32)[::2].reshape(1, 4),
        np.arange(4, dtype=">f4").reshape(1, 4),
    ],
    ids=["no rows", "NaN", "columns first", "strided", "big-endian"],
)
def test_any_layout_of_an_array_arrives_as_it_is(x: Array) -> None:
    encode = _encoder(X).encode
    encode({"x": np.ones(x.shape, np.float32)})  # of a shape that is known already, too
    found = messages.read_request(encode({"x": x}))[1]["x"]
    assert np.array_equal(found, x, equal_nan=True)


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_every_dtype_of_the_protocol_arrives(dtype: str) -> None:
    values = np.array([b"a\0", b""], object) if dtype == "BYTES" else np.array([0, 1], DTYPES[dtype])
    found = messages.read_request(_encoder(TensorSpec("x", dtype, (2,))).encode({"x": values}))[1]["x"]
    assert list(found) == list(values)


@given(st.lists(st.floats(width=32)))
def test_bf16_is_rounded_as_ml_dtypes_rounds_it(values: list[float]) -> None:
    x = np.array(values, np.float32)
    found = messages.read_request(_encoder(TensorSpec("x", "BF16", (-1,))).encode({"x": x}))[1]["x"]
    with np.errstate(all="ignore"):
        wanted = x.astype(ml_dtypes.bfloat16).astype(np.float32)
    assert found.dtype == np.float32
    assert np.array_equal(found, wanted, equal_nan=True)
    assert np.array_equal(rounded(x), wanted, equal_nan=True)


def test_an_array_of_bfloat16_is_taken_for_a_bf16_layer_and_not_for_a_wider_one() -> None:
    x = np.array([1.5, 2.0], ml_dtypes.bfloat16)
    found = messages.read_request(_encoder(TensorSpec("x", "BF16", (2,))).encode({"x": x}))[1]["x"]
    assert list(found) == [1.5, 2.0]
    with pytest.raises(BadInput, match="FP64"):
        _encoder(TensorSpec("x", "FP64", (2,))).encode({"x": x})


def test_a_request_above_the_limit_is_refused_with_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "LARGEST", 15)
    with pytest.raises(Refused, match="request of 16 bytes passes 15"):
        _encoder(X).encode({"x": np.ones((1, 4), np.float32)})
