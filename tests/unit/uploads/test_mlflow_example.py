"""MLflow's input example becomes the inputs of a model, or is refused with the reason."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seatrial.errors import Refused
from seatrial.served_model import ServedModel
from seatrial.tensors import DTYPES, Signature, TensorSpec, dtype_name
from seatrial.uploads.mlflow_example import LARGEST_EXAMPLE, read_example
from seatrial.uploads.samples import sample_inputs

ONE = Signature((TensorSpec("x", "FP32", (-1, 2)),), ())
TWO = Signature((TensorSpec("inputs", "FP32", (1,)), TensorSpec("params", "FP32", (1,))), ())


def of(dtype: str) -> Signature:
    return Signature((TensorSpec("x", dtype, (-1,)),), ())


def written(document: Any) -> bytes:
    return json.dumps(document).encode()


ARRAY = [[1, 2]]


@pytest.mark.parametrize(
    "document",
    [
        {"x": ARRAY},
        ARRAY,
        {"inputs": {"x": ARRAY}},
        {"inputs": ARRAY},
        {"inputs": {"x": ARRAY}, "params": {"beams": 4}},
    ],
)
def test_an_example_in_each_form_that_mlflow_writes_becomes_the_models_inputs(document: Any) -> None:
    found = read_example(written(document), ONE)
    assert found["x"].dtype == np.float32
    assert found["x"].tolist() == [[1.0, 2.0]]


def test_no_texts_are_an_array_of_texts() -> None:
    assert dtype_name(read_example(written({"x": []}), of("BYTES"))["x"]) == "BYTES"


def test_a_model_whose_inputs_are_called_inputs_and_params_is_told_from_a_wrapped_example() -> None:
    bare = {"inputs": [1.5], "params": [2.5]}
    for document in (bare, {"inputs": bare}):
        assert {name: array.tolist() for name, array in read_example(written(document), TWO).items()} == bare


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("UINT8", [256]),
        ("INT8", [-129]),
        ("INT64", [2**63]),
        ("UINT64", [-1]),
        ("FP16", [1e5]),
        ("FP32", [1e39]),
        ("FP64", [10**400]),
        ("INT32", [1.5]),
        ("FP32", [2**53 + 1]),
        ("FP32", ["1"]),
        ("FP32", ["a" * 10**6] + [1] * 10**5),
        ("FP32", [None]),
        ("FP32", [{}]),
        ("FP32", [[1], [1, 2]]),
        ("BOOL", [2]),
        ("BYTES", [1]),
        ("BYTES", [None]),
        ("BYTES", ["a\0"]),
    ],
)
def test_a_value_that_the_dtype_does_not_hold_is_refused_and_not_rounded(dtype: str, value: Any) -> None:
    with pytest.raises(Refused, match="does not fit the model: x"):
        read_example(written({"x": value}), of(dtype))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[" * 10**6, "levels deep"),
        (b"[" * 10**6 + b"]" * 10**6, "levels deep"),
        (b'{"x": [NaN]}', "NaN"),
        (b'{"x": [1e999]}', "1e999"),
        (b'{"x": [' + b"9" * 5000 + b"]}", "cannot be read"),
        (b'{"z": [1]}', "is of ['z'], not one array for each of ['x']"),
        (b'{"columns": ["x"], "data": [[1]]}', "columns"),
        (b'{"x": [1], "y": [1]}', "is of ['x', 'y']"),
        (b'{"\\u0007": [1]}', r"\x07"),
        (b"5", "has no names"),
        (b"null", "has no names"),
        (b'"x"', "has no names"),
        (b" " * (LARGEST_EXAMPLE + 1), "too large"),
    ],
)
def test_what_is_no_example_of_arrays_is_refused_in_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        read_example(data, of("FP32"))
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


def test_texts_that_would_fill_the_memory_as_an_array_are_refused_before_they_are_one() -> None:
    with pytest.raises(Refused, match="too long together"):
        read_example(written({"x": ["a" * 10**5, *([""] * 1000)]}), of("BYTES"))


@given(
    st.sampled_from([name for name in DTYPES if name != "BYTES"]).flatmap(
        lambda name: st.tuples(
            st.just(name),
            hnp.arrays(
                DTYPES[name],
                hnp.array_shapes(max_dims=4, max_side=4),
                elements={"allow_nan": False, "allow_infinity": False} if DTYPES[name].kind == "f" else None,
            ),
        )
    )
)
def test_an_array_that_was_logged_is_the_array_that_is_sent(logged: tuple[str, Any]) -> None:
    name, array = logged
    signature = Signature((TensorSpec("x", name, array.shape),), ())
    found = read_example(written({"x": array.tolist()}), signature)["x"]
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


@given(
    hnp.arrays(
        object,
        hnp.array_shapes(max_dims=3, max_side=3),
        elements=st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), max_size=5),
    )
)
def test_texts_that_were_logged_are_the_texts_that_are_sent(texts: Any) -> None:
    signature = Signature((TensorSpec("x", "BYTES", texts.shape),), ())
    assert read_example(written({"x": texts.tolist()}), signature)["x"].tolist() == texts.tolist()


def test_an_example_is_by_the_files_own_names_and_sent_by_the_public_ones() -> None:
    signature = Signature((TensorSpec("x", "FP32", (1,)), TensorSpec("own", "FP32", (1,))), ())
    layers = {"x": "own", "own": "x"}  # the one that is called as the other one is
    served = ServedModel(
        name="m", version=1, format="onnx", main_file="m.onnx", files={}, signature=signature, layers=layers
    )
    found = sample_inputs("input_example.json", b'{"own": [1], "x": [2]}', served)
    assert {name: array.tolist() for name, array in found.items()} == {"x": [1.0], "own": [2.0]}
