"""Open Inference Protocol bodies: what they say, what they are refused for, and answers that can be read again."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seatrial.client.wire import from_raw
from seatrial.errors import BadInput, Refused, ServerFailed, TooLarge
from seatrial.manager import inference_requests
from seatrial.manager.inference_requests import LENGTH, Question, read_request, write_answer
from seatrial.serving.inference_http import encode_request
from seatrial.tensors import DTYPES, Signature, TensorSpec, dtype_name

X = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
SIGNATURE = Signature(
    (TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("y", "FP32", (-1, 4)), TensorSpec("z", "BYTES", (-1,)))
)
TEXT = Signature((TensorSpec("x", "BYTES", (-1,)),), ())


def body(*inputs: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **more}).encode()


def signature_of(tensors: dict[str, Any]) -> Signature:
    return Signature(tuple(TensorSpec(n, dtype_name(a), (-1,) * a.ndim) for n, a in tensors.items()), ())


PLAIN = st.sampled_from([dtype for dtype in DTYPES.values() if not dtype.hasobject])
TENSORS = st.dictionaries(
    st.text(max_size=5), PLAIN.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_side=0))), min_size=1
)


@given(TENSORS)
def test_tensors_as_bytes_are_read_as_they_were_sent(tensors: dict[str, Any]) -> None:
    sent, headers = encode_request(tensors)
    question = read_request(sent, headers[LENGTH], signature_of(tensors))
    assert list(question.tensors) == list(tensors)
    for name, array in tensors.items():
        assert (question.tensors[name].dtype, question.tensors[name].shape) == (array.dtype, array.shape)
        assert question.tensors[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2, 3, 4]], [[[1, 2], [3, 4]]]])
def test_values_are_taken_in_row_major_order_flat_or_nested(data: Any) -> None:
    found = read_request(body({**X, "data": data}), None, SIGNATURE).tensors["x"]
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 2, 3, 4]]


@given(TENSORS, st.booleans())
def test_an_answer_can_be_read_again(tensors: dict[str, Any], as_bytes: bool) -> None:
    answer, headers = write_answer(Question({}, "q7", dict.fromkeys(tensors, as_bytes)), tensors, "tiny", 3)
    size = int(headers.get(LENGTH, len(answer)))
    document, at = json.loads(answer[:size]), size
    assert (document["model_name"], document["model_version"], document["id"]) == ("tiny", "3", "q7")
    assert [told["name"] for told in document["outputs"]] == list(tensors)
    for told, array in zip(document["outputs"], tensors.values(), strict=True):
        assert (DTYPES[told["datatype"]], tuple(told["shape"])) == (array.dtype, array.shape)
        if as_bytes:
            end = at + told["parameters"]["binary_data_size"]
            assert from_raw(told["datatype"], array.shape, answer[at:end]).tobytes() == array.tobytes()
            at = end
        else:
            assert np.array_equal(np.array(told["data"], array.dtype).reshape(array.shape), array, equal_nan=True)
    assert at == len(answer)


def test_outputs_are_chosen_by_name_and_each_as_bytes_or_in_json() -> None:
    assert read_request(body(X), None, SIGNATURE).as_bytes == {"y": False, "z": False}
    every = {"binary_data_output": True}
    assert read_request(body(X, parameters=every), None, SIGNATURE).as_bytes == {"y": True, "z": True}
    one = [{"name": "z", "parameters": {"binary_data": False}}]
    assert read_request(body(X, outputs=one, parameters=every), None, SIGNATURE).as_bytes == {"z": False}


@pytest.mark.parametrize(
    ("sent", "layer", "expected", "got"),
    [
        (body({**X, "name": "w"}), "w", "one of the layers x", "another layer"),
        (body(X, X), "x", "each layer once", "it twice"),
        (body(), "x", "FP32[-1,4]", "nothing"),
        (body({**X, "datatype": "FP64"}), "x", "FP32[-1,4]", "FP64[1,4]"),
        (body({**X, "shape": [1, 5]}), "x", "FP32[-1,4]", "FP32[1,5]"),
        (body({**X, "shape": [4]}), "x", "FP32[-1,4]", "FP32[4]"),
        (body({**X, "shape": [2, 4]}), "x", "8 values in shape [2, 4]", "4"),
        (body({**X, "shape": [2**31 - 1, 4]}), "x", "8589934588 values in shape [2147483647, 4]", "4"),
        (body({**X, "data": [[1, 2, 3], [4]]}), "x", "FP32[-1,4]", "rows of different lengths"),
        (body({**X, "data": ["1", "2", "3", "4"]}), "x", "FP32[-1,4]", "text"),
        (body({**X, "data": [1, 2, 3, {}]}), "x", "FP32[-1,4]", "values of type object"),
        (body({**X, "data": [1, 2, 3, 10**400]}), "x", "FP32[-1,4]", "values of type object"),
        (body({**X, "data": None}), "x", "either data or binary_data_size", "neither"),
        (body({**X, "parameters": {"binary_data_size": 16}}), "x", "either data or binary_data_size", "both"),
        (body({**X, "parameters": {"binary_data_size": 0}}), "x", "either data or binary_data_size", "both"),
        (body(X, outputs=[{"name": "q"}]), "q", "one of the outputs y, z", "another layer"),
    ],
    ids=str,
)
def test_a_tensor_that_does_not_fit_is_named_with_what_was_expected_and_what_came(
    sent: bytes, layer: str, expected: str, got: str
) -> None:
    with pytest.raises(BadInput) as caught:
        read_request(sent, None, SIGNATURE)
    assert caught.value.fields == {"layer": layer, "expected": expected, "got": got}


def test_text_among_numbers_takes_no_memory_for_each_of_them() -> None:
    """numpy would make an array of 400 GB of it."""
    with pytest.raises(BadInput, match="got text"):
        read_request(body({**X, "data": ["x" * 1_000_000, *range(100_000)]}), None, SIGNATURE)


@pytest.mark.parametrize("data", [[[[1, 2]], [[3]]], [[[1], [2]], [3]]])
def test_rows_of_different_lengths_are_bad_input_however_deep(data: list[object]) -> None:
    with pytest.raises(BadInput, match="rows of different lengths"):
        read_request(body({**X, "data": data}), None, SIGNATURE)


@pytest.mark.parametrize("size", [0, 12, 20])
def test_bytes_that_are_not_those_of_the_shape_are_refused(size: int) -> None:
    head = body({"name": "x", "datatype": "FP32", "shape": [1, 4], "parameters": {"binary_data_size": size}})
    with pytest.raises(BadInput, match=f"{size} bytes where FP32\\[1, 4\\] has 16"):
        read_request(head + b"\0" * size, str(len(head)), SIGNATURE)


@pytest.mark.parametrize("raw", [b"\0" * 15, b"\0" * 17, b""])
def test_more_or_fewer_bytes_than_the_inputs_say_are_refused(raw: bytes) -> None:
    head = body({"name": "x", "datatype": "FP32", "shape": [1, 4], "parameters": {"binary_data_size": 16}})
    with pytest.raises(Refused):
        read_request(head + raw, str(len(head)), SIGNATURE)


def test_text_with_a_length_beyond_its_bytes_is_refused() -> None:
    head = body({"name": "x", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 5}})
    with pytest.raises(BadInput, match="cut off"):
        read_request(head + struct.pack("<I", 2**31) + b"a", str(len(head)), TEXT)


@pytest.mark.parametrize(
    ("sent", "length", "said"),
    [
        (b"", None, "is no JSON"),
        (b"{", None, "is no JSON"),
        (b"\xff\xfe", None, "is no JSON"),
        (b'{"inputs": [{"data": [NaN]}]}', None, "body.inputs.0.data.0: NaN"),
        (b'{"inputs":' + b"[" * 100 + b"]" * 100 + b"}", None, "levels deep (limit: 64)"),
        (b'{"inputs":' + b"[" * 500_000 + b"]" * 500_000 + b"}", None, "levels deep (limit: 64)"),
        (b'{"inputs": [{"name": "\\ud800"}]}', None, "half a character"),
        (b"{}", "3", "'3' is no length within the body (limit: 2)"),
        (b"{}", "-1", "is no length within the body"),
        (b"{}", "²", "is no length within the body"),
        (b"{}", "9" * 5000, "is no length within the body"),
        (b"{}", "0", "is no JSON"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_request_is_refused_with_the_part_and_the_limit(sent: bytes, length: str | None, said: str) -> None:
    with pytest.raises(Refused) as caught:
        read_request(sent, length, SIGNATURE)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (b"[]", ("body",)),
        (body({**X, "shape": [-1, 4]}), ("body", "inputs", 0, "shape", 0)),
        (body({**X, "shape": [2**62, 4]}), ("body", "inputs", 0, "shape", 0)),
        (body({**X, "shape": [1] * 33}), ("body", "inputs", 0, "shape")),
        (body({**X, "shape": ["1", 4]}), ("body", "inputs", 0, "shape", 0)),
        (
            body({**X, "parameters": {"shared_memory_region": "r"}}),
            ("body", "inputs", 0, "parameters", "shared_memory_region"),
        ),
        (
            body({**X, "parameters": {"binary_data_size": -1}}),
            ("body", "inputs", 0, "parameters", "binary_data_size"),
        ),
        (body(X, parameters={"sequence_id": 3}), ("body", "parameters", "sequence_id")),
        (body(X, outputs=[{"name": "y", "parameters": {"classification": 3}}]), ("body", "outputs", 0, "parameters")),
        (b'{"inputs": 3}', ("body", "inputs")),
        (b"{}", ("body", "inputs")),
    ],
    ids=str,
)
def test_what_the_protocol_or_this_way_does_not_have_is_refused_by_field(sent: bytes, field: tuple[Any, ...]) -> None:
    with pytest.raises(RequestValidationError) as caught:
        read_request(sent, None, SIGNATURE)
    assert caught.value.errors()[0]["loc"][: len(field)] == field


def test_json_beyond_its_limit_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    sent, headers = encode_request({"x": np.ones((1000, 4), np.float32)})
    monkeypatch.setattr(inference_requests, "HEAD_LIMIT", 200)
    read_request(sent, headers[LENGTH], SIGNATURE)
    with pytest.raises(TooLarge, match="limit: 200"):
        read_request(b" " * 201, None, SIGNATURE)


def test_outputs_that_json_cannot_carry_are_refused_with_the_way_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    text = {"z": np.array([b"\xff"], object)}
    with pytest.raises(Refused, match="'z': bytes that are no UTF-8; ask for it as binary_data"):
        write_answer(Question({}, None, {"z": False}), text, "tiny", 1)
    assert write_answer(Question({}, None, {"z": True}), text, "tiny", 1)[0].endswith(b"\x01\0\0\0\xff")
    monkeypatch.setattr(inference_requests, "VALUES_LIMIT", 4)
    write_answer(Question({}, None, {"y": False}), {"y": np.ones(4)}, "tiny", 1)
    with pytest.raises(Refused, match=r"'y': 5 values \(limit in JSON: 4\); ask for it as binary_data"):
        write_answer(Question({}, None, {"y": False}), {"y": np.ones(5)}, "tiny", 1)


def test_a_server_that_leaves_an_output_out_has_failed() -> None:
    with pytest.raises(ServerFailed, match="without its output 'y'"):
        write_answer(Question({}, None, {"y": False}), {}, "tiny", 1)


@given(st.binary(), st.none() | st.integers(-1, 50).map(str))
def test_any_bytes_are_read_or_refused(sent: bytes, length: str | None) -> None:
    with pytest.raises((Refused, RequestValidationError)):
        read_request(sent, length, SIGNATURE)
