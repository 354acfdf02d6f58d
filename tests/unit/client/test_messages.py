from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tritonclient.grpc import service_pb2

from seatrial.client import messages
from seatrial.client.encoder import encode_tensors
from seatrial.client.wire import BadContents, to_raw
from seatrial.tensors import DTYPES, Array, dtype_name

PLAIN = st.sampled_from([dtype for name, dtype in DTYPES.items() if name != "BYTES"])
TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=8), hnp.arrays(PLAIN, hnp.array_shapes(min_dims=0, min_side=0)), max_size=4
)


def _answer(tensors: dict[str, Array]) -> bytes:
    response = service_pb2.ModelInferResponse(model_name="tiny", model_version="3", id="7")
    response.parameters["sequence_end"].bool_param = True
    for name, array in tensors.items():
        response.outputs.add(name=name, datatype=dtype_name(array), shape=array.shape)
        response.raw_output_contents.append(to_raw(array))
    return bytes(response.SerializeToString())


def _same(found: dict[str, Array], wanted: dict[str, Array]) -> bool:
    return list(found) == list(wanted) and all(
        found[name].dtype == array.dtype
        and found[name].shape == array.shape
        and found[name].tobytes() == array.tobytes()
        for name, array in wanted.items()
    )


@given(TENSORS)
def test_a_request_is_what_protobuf_reads_and_what_we_read_again(tensors: dict[str, Array]) -> None:
    payload = encode_tensors("tiny", 3, tensors)
    request = service_pb2.ModelInferRequest.FromString(payload)
    assert (request.model_name, request.model_version) == ("tiny", "3")
    assert [(layer.name, layer.datatype, tuple(layer.shape)) for layer in request.inputs] == [
        (name, dtype_name(array), array.shape) for name, array in tensors.items()
    ]
    assert list(request.raw_input_contents) == [to_raw(array) for array in tensors.values()]
    assert _same(messages.read_request(payload)[1], tensors)


@given(TENSORS)
def test_an_answer_that_protobuf_wrote_is_read_whole_and_read_only_the_first_time_and_later(
    tensors: dict[str, Array],
) -> None:
    for _ in range(2):
        head, found = messages.read_answer(_answer(tensors))
        assert (head.model, head.version) == ("tiny", "3")
        assert _same(found, tensors)
        assert all(array.flags.aligned and not array.flags.writeable for array in found.values())


@given(TENSORS, st.data())
def test_an_answer_that_is_cut_off_or_changed_is_bad_contents_or_an_answer(
    tensors: dict[str, Array], data: st.DataObject
) -> None:
    answer = bytearray(_answer(tensors))
    at = data.draw(st.integers(0, len(answer) - 1))
    answer[at] = data.draw(st.integers(0, 255))
    for message in (bytes(answer), bytes(answer[:at])):
        with suppress(BadContents):
            messages.read_answer(message)


@given(TENSORS, st.data())
def test_what_was_read_before_changes_nothing(tensors: dict[str, Array], data: st.DataObject) -> None:
    reader, answer = messages.Reader(6), bytearray(_answer(tensors))
    reader.read(bytes(answer))
    answer[data.draw(st.integers(0, len(answer) - 1))] = data.draw(st.integers(0, 255))
    assert _told(reader, bytes(answer)) == _told(messages.Reader(6), bytes(answer))


def _told(reader: messages.Reader, message: bytes) -> Any:
    try:
        head, found = reader.read(message)
    except BadContents as error:
        return str(error)
    return head, [(name, str(array.dtype), array.shape, array.tobytes()) for name, array in found.items()]


@given(st.binary(max_size=200))
def test_any_bytes_are_bad_contents_or_an_answer(message: bytes) -> None:
    with suppress(BadContents):
        messages.read_answer(message)


def test_contents_before_the_head_and_shapes_that_are_not_packed_are_read() -> None:
    raw = np.arange(2, dtype=np.float32).tobytes()
    layer = b"\x0a\x01y\x12\x04FP32\x18\x02\x18\x01"
    message = b"\x32" + bytes([len(raw)]) + raw + b"\x0a\x04tiny\x12\x013" + b"\x2a" + bytes([len(layer)]) + layer
    head, found = messages.read_answer(message)
    assert head.model == "tiny"
    assert np.array_equal(found["y"], [[0], [1]])


@pytest.mark.parametrize(
    ("outputs", "contents"), [(1, 0), (0, 1), (2, 2)], ids=["no contents", "no output", "the same name twice"]
)
def test_outputs_and_contents_that_do_not_fit_are_bad_contents(outputs: int, contents: int) -> None:
    response = service_pb2.ModelInferResponse(model_name="tiny")
    for _ in range(outputs):
        response.outputs.add(name="y", datatype="FP32", shape=[1])
    response.raw_output_contents.extend([b"\0\0\0\0"] * contents)
    with pytest.raises(BadContents):
        messages.read_answer(response.SerializeToString())


@pytest.mark.parametrize("ready", [True, False])
def test_readiness_is_asked_and_understood_as_protobuf_writes_it(ready: bool) -> None:
    request = service_pb2.ModelReadyRequest.FromString(messages.ready_request("tiny", 3))
    assert (request.name, request.version) == ("tiny", "3")
    assert messages.is_ready(service_pb2.ModelReadyResponse(ready=ready).SerializeToString()) is ready


def test_an_answer_that_only_begins_like_the_last_one_is_read_as_it_is() -> None:
    head = service_pb2.ModelInferResponse(model_name="tiny")
    head.outputs.add(name="y", datatype="FP32", shape=[2])
    begins = head.SerializeToString()
    contents, an_id = b"\x32\x08" + bytes(8), b"\x1a\x08" + b"identity"
    assert np.array_equal(messages.read_answer(begins + contents)[1]["y"], [0, 0])
    with pytest.raises(BadContents):
        messages.read_answer(begins + an_id)


def test_what_comes_after_the_contents_is_read_each_time() -> None:
    head = service_pb2.ModelInferResponse(model_name="tiny")
    head.outputs.add(name="y", datatype="FP32", shape=[2])
    begins = head.SerializeToString() + b"\x32\x08" + bytes(8)
    an_id, more_contents = b"\x1a\x08" + b"identity", b"\x32\x08" + bytes(8)
    for _ in range(2):
        assert np.array_equal(messages.read_answer(begins + an_id)[1]["y"], [0, 0])
    with pytest.raises(BadContents):
        messages.read_answer(begins + more_contents)
