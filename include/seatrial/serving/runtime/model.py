"""Runs one network inside Triton's python backend, over ONNX Runtime or OpenVINO.

This folder's files are copied into the model repository, where Triton's stub process imports this one as a module of
a package: it imports its neighbours, and nothing else of Seatrial.
`seatrial` in the model's parameters is a JSON object: `runtime`, `main_file` (relative to `files/` beside this file),
`layers` (public layer name → the file's own tensor name), `scalars` (public names of the layers that are [1] here and
without dimension in the file), and the settings that the session must hold: `threads` (intra-op threads of this one
instance), `device`, `precision`.

The backend copies each input out of the memory that it shares with Triton, and each output into it. Here nothing is
copied on the way to the runtime and back, but when requests are joined to a batch.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from .arrays import Array, as_answer, as_text
from .batching import Answer, Call, answer_all
from .sessions import SESSIONS, SessionSettings
from .working import Working


class FailedRequests:
    """A counter among the server's metrics: Triton itself counts a request that is answered with an error as success.

    All instances of the server's one model share it. Both objects are kept: a metric ends with its family.
    """

    def __init__(self) -> None:
        self._family = pb_utils.MetricFamily(
            name="seatrial_failed_requests",
            description="Requests that the model answered with an error.",
            kind=pb_utils.MetricFamily.COUNTER,
        )
        self._metric = self._family.Metric(labels={})

    def count(self, calls: Sequence[Call | Exception], answers: Sequence[Answer]) -> None:
        """A call that is an exception already failed by its own fault, and is none."""
        failed = sum(
            isinstance(answer, Exception) and isinstance(call, Call)
            for call, answer in zip(calls, answers, strict=True)
        )
        if failed:
            self._metric.increment(failed)


class TritonPythonModel:
    """What the python backend looks for. Requests that Triton joined to a batch run as one call of the runtime; an
    error of one of them is that request's answer, and the model goes on."""

    def initialize(self, args: dict[str, str]) -> None:
        began = time.monotonic()
        config = json.loads(args["model_config"])
        given = json.loads(config["parameters"]["seatrial"]["string_value"])
        self._layers: dict[str, str] = given["layers"]
        self._scalars: list[str] = given["scalars"]
        self._inputs: list[str] = [entry["name"] for entry in config["input"]]
        self._outputs: list[str] = [entry["name"] for entry in config["output"]]
        self._batched = config["max_batch_size"] > 0
        path = Path(args["model_repository"]) / args["model_version"] / "files" / given["main_file"]
        wanted = SessionSettings(given["threads"], given["device"], given["precision"])
        self._session = SESSIONS[given["runtime"]](path, wanted)
        shown = " ".join(f"{name}={value}" for name, value in self._session.settings.items())
        self._failed = FailedRequests()
        self._working = Working(Path(os.environ["SEATRIAL_REPLICA"]), args["model_instance_name"])
        took_s = time.monotonic() - began
        pb_utils.Logger.log_info(f"seatrial runtime {given['runtime']}, loaded in {took_s:.3f} s: {shown}")

    def execute(self, requests: list[Any]) -> list[Any]:
        wanted = [self._wanted(request) for request in requests]
        calls = [self._call(request, names) for request, names in zip(requests, wanted, strict=True)]
        with self._working:
            answers = answer_all(calls, self._session.run, batched=self._batched)
        self._failed.count(calls, answers)
        return [_response(names, answer) for names, answer in zip(wanted, answers, strict=True)]

    def _wanted(self, request: Any) -> list[str]:
        asked = set(request.requested_output_names())
        return [name for name in self._outputs if name in asked]

    def _call(self, request: Any, outputs: Sequence[str]) -> Call | Exception:
        try:
            inputs = {self._own(name): self._input(request, name) for name in self._inputs}
        except Exception as error:  # text that is not UTF-8, say: this request's own fault
            return error
        return Call(inputs, tuple(self._own(name) for name in outputs))

    def _input(self, request: Any, name: str) -> Array:
        array = as_text(pb_utils.get_input_tensor_by_name(request, name).as_numpy())
        return array.reshape(()) if name in self._scalars else array

    def _own(self, name: str) -> str:
        return self._layers.get(name, name)


def _response(names: Sequence[str], answer: Answer) -> Any:
    if isinstance(answer, Exception):
        return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(f"{answer}"))
    tensors = [pb_utils.Tensor(name, as_answer(array)) for name, array in zip(names, answer, strict=True)]
    return pb_utils.InferenceResponse(output_tensors=tensors)
