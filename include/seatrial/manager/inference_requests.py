"""Open Inference Protocol bodies with the binary extension, understood (pure): tensors out of them, tensors into them.

Requests are checked against the model's signature here, and none of their JSON reaches an Inference Server: Triton's
own reader of it ends the server's process on lists that nest deep, and on shapes of more elements than there is memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from seatrial.client.inputs import as_arrays
from seatrial.client.wire import BadContents, from_raw, to_raw
from seatrial.errors import BadInput, Refused, ServerFailed, TooLarge
from seatrial.manager.inference_documents import InferRequest, InputTensor
from seatrial.strict_json import read_json
from seatrial.tensors import Array, Signature, Tensors, TensorSpec, check_tensors, dtype_name

HEAD_LIMIT = 4 * 2**20
"""Bytes of JSON. What is larger comes as bytes behind it, which nobody has to read number by number."""

VALUES_LIMIT = 2**18
"""Values of an output in JSON."""

LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Question:
    """A request's tensors, and what is wanted of the answer: which outputs, each of them as bytes or in JSON."""

    tensors: Tensors
    id: str | None
    as_bytes: Mapping[str, bool]


def read_request(body: bytes, header_length: str | None, signature: Signature) -> Question:
    """`header_length` is how much of the body is JSON, before raw tensors; None: all of it.

    Raises BadInput for a tensor that does not fit the signature; Refused, TooLarge and RequestValidationError for what
    is no such request.
    """
    size = _head_size(header_length, len(body))
    request = _head(body[:size])
    tensors = _tensors(request, body[size:], signature)
    check_tensors(signature.inputs, tensors)
    return Question(tensors, request.id, _wanted(request, signature))


def write_answer(question: Question, outputs: Tensors, model: str, version: int) -> tuple[bytes, dict[str, str]]:
    """Body and headers; NaN and Infinity are written as Triton does. Refused for outputs that JSON cannot carry."""
    told, raw = [], []
    for name, as_bytes in question.as_bytes.items():
        array = outputs.get(name)
        if array is None:
            raise ServerFailed(f"{model}@{version} answered without its output {name!r}", model=model, version=version)
        about: dict[str, Any] = {"name": name, "datatype": dtype_name(array), "shape": list(array.shape)}
        if as_bytes:
            raw.append(to_raw(array))
            about["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            about["data"] = _values(name, array)
        told.append(about)
    named = {} if question.id is None else {"id": question.id}
    head = json.dumps({"model_name": model, "model_version": str(version), **named, "outputs": told}).encode()
    if not raw:
        return head, {"Content-Type": "application/json"}
    return b"".join([head, *raw]), {"Content-Type": "application/octet-stream", LENGTH: str(len(head))}


def _head_size(given: str | None, size: int) -> int:
    if given is not None:
        if not (given.isascii() and given.isdigit() and len(given) <= 12 and int(given) <= size):
            raise Refused(f"{LENGTH}: {given[:40]!r} is no length within the body (limit: {size})", field=LENGTH)
        size = int(given)
    if size > HEAD_LIMIT:
        text = f"body: {size} bytes of JSON (limit: {HEAD_LIMIT}); larger tensors travel as bytes behind it"
        raise TooLarge(text, field="body", limit=HEAD_LIMIT)
    return size


def _head(data: bytes) -> InferRequest:
    try:
        document = read_json(data, "body")
    except ValueError as error:
        raise Refused(f"body: is no JSON: {error}", field="body") from error
    try:
        return InferRequest.model_validate(document, strict=True)
    except ValidationError as error:
        raise RequestValidationError([{**flaw, "loc": ("body", *flaw["loc"])} for flaw in error.errors()]) from error


def _tensors(request: InferRequest, raw: bytes, signature: Signature) -> dict[str, Array]:
    wanted = {spec.name: spec for spec in signature.inputs}
    found, at = dict[str, Array](), 0
    for tensor in request.inputs:
        _check_names(tensor, wanted, found)
        size = tensor.parameters.binary_data_size
        if (size is None) == (tensor.data is None):
            raise BadInput(
                tensor.name, expected="either data or binary_data_size", got="neither" if size is None else "both"
            )
        if size is None:
            found[tensor.name] = _from_values(tensor, wanted[tensor.name], signature)
        else:
            found[tensor.name] = _from_bytes(tensor, raw[at : at + size])
            at += size
    if at != len(raw):
        raise Refused(f"body: {len(raw)} bytes behind the JSON, the inputs have {at}", field="body", limit=at)
    return found


def _check_names(tensor: InputTensor, wanted: Mapping[str, TensorSpec], found: Mapping[str, Array]) -> None:
    spec = wanted.get(tensor.name)
    if spec is None:
        raise BadInput(tensor.name, expected=f"one of the layers {', '.join(sorted(wanted))}", got="another layer")
    if tensor.name in found:
        raise BadInput(tensor.name, expected="each layer once", got="it twice")
    if tensor.datatype != spec.dtype or not spec.accepts_shape(tuple(tensor.shape)):
        got = TensorSpec(tensor.name, tensor.datatype, tuple(tensor.shape))
        raise BadInput(tensor.name, expected=str(spec), got=str(got))


def _from_values(tensor: InputTensor, spec: TensorSpec, signature: Signature) -> Array:
    given: Any = tensor.data
    if spec.dtype != "BYTES":
        _check_no_text(spec, given)
    values = as_arrays(signature, {spec.name: given})[spec.name]
    count = math.prod(tensor.shape)
    if values.size != count:
        raise BadInput(spec.name, expected=f"{count} values in shape {tensor.shape}", got=f"{values.size}")
    return values.reshape(tensor.shape)


def _check_no_text(spec: TensorSpec, given: Any) -> None:
    """numpy makes every number of a list as wide as the longest text in it: terabytes for a body of a megabyte."""
    try:
        values = np.asarray(given, dtype=object)
    except ValueError:  # rows of different lengths: said by who makes an array of them
        return
    if any(isinstance(value, str) for value in values.flat):
        raise BadInput(spec.name, expected=str(spec), got="text")


def _from_bytes(tensor: InputTensor, data: bytes) -> Array:
    try:
        return from_raw(tensor.datatype, tuple(tensor.shape), data)
    except BadContents as error:
        raise BadInput(tensor.name, expected="the bytes of its shape", got=str(error)) from error


def _wanted(request: InferRequest, signature: Signature) -> dict[str, bool]:
    there, every = [spec.name for spec in signature.outputs], request.parameters.binary_data_output
    for output in request.outputs:
        if output.name not in there:
            raise BadInput(output.name, expected=f"one of the outputs {', '.join(there)}", got="another layer")
    chosen = {output.name: output.parameters.binary_data for output in request.outputs}
    return {
        name: every if as_bytes is None else as_bytes for name, as_bytes in (chosen or dict.fromkeys(there)).items()
    }


def _values(name: str, array: Array) -> list[Any]:
    if array.size > VALUES_LIMIT:
        raise Refused(
            f"output {name!r}: {array.size} values (limit in JSON: {VALUES_LIMIT}); ask for it as binary_data",
            field=name,
            limit=VALUES_LIMIT,
        )
    values: list[Any] = array.ravel().tolist()
    try:
        return [value.decode() if isinstance(value, bytes) else value for value in values]
    except UnicodeDecodeError as error:
        raise Refused(f"output {name!r}: bytes that are no UTF-8; ask for it as binary_data", field=name) from error
