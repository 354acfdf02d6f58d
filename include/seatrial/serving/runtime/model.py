"""Runs one network inside Triton's python backend, over ONNX Runtime or OpenVINO.

The file is copied into the model repository and executed by Triton's stub process, so it imports nothing of Seatrial.
`seatrial` in the model's parameters is a JSON object: `runtime`, `main_file` (relative to `files/` beside this file),
`layers` (public layer name → the file's own tensor name), `threads` (intra-op threads of this one instance).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

Array = NDArray[Any]


class Session(Protocol):
    """One loaded network. `settings` are what the runtime itself says it was set to, not what was asked for."""

    @property
    def settings(self) -> Mapping[str, str]: ...

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]: ...


class OnnxRuntimeSession:
    """ONNX Runtime ignores OMP_NUM_THREADS: only the session's own option counts. Its idle workers must not spin,
    or they eat the core set that they share with the server and every CPU reading is 100 %."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        held = self._session.get_session_options()
        require("intra_op_num_threads", held.intra_op_num_threads, threads)
        self.settings = {
            "version": onnxruntime.__version__,
            "threads": str(held.intra_op_num_threads),
            "spinning": held.get_session_config_entry("session.intra_op.allow_spinning"),
            "providers": "+".join(self._session.get_providers()),
        }

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        return list(self._session.run(list(outputs), dict(inputs)))


class OpenVinoSession:
    """OpenVINO computes in bf16 on CPUs that have it unless told f32: two per cent off, so shadow validation fails."""

    def __init__(self, path: Path, threads: int) -> None:
        import openvino

        wanted = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,  # it would pin by core number, past the core set the replica was given
        }
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(path), "CPU", wanted)
        held = {name: compiled.get_property(name) for name in wanted}
        require("INFERENCE_NUM_THREADS", held["INFERENCE_NUM_THREADS"], threads)
        require("INFERENCE_PRECISION_HINT", held["INFERENCE_PRECISION_HINT"], openvino.Type.f32)
        self.settings = {"version": openvino.__version__, **{name: _shown(value) for name, value in held.items()}}
        self._request = compiled.create_infer_request()

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        self._request.infer(dict(inputs), share_inputs=True)
        return [self._request.get_tensor(name).data.copy() for name in outputs]


RUNTIMES: dict[str, Callable[[Path, int], Session]] = {"onnxruntime": OnnxRuntimeSession, "openvino": OpenVinoSession}


class TritonPythonModel:
    """What the python backend looks for. An error of one request is that request's answer; the model goes on."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        given = json.loads(config["parameters"]["seatrial"]["string_value"])
        self._layers: dict[str, str] = given["layers"]
        self._inputs: list[str] = [entry["name"] for entry in config["input"]]
        self._outputs: list[str] = [entry["name"] for entry in config["output"]]
        path = Path(args["model_repository"]) / args["model_version"] / "files" / given["main_file"]
        self._session = RUNTIMES[given["runtime"]](path, given["threads"])
        shown = " ".join(f"{name}={value}" for name, value in self._session.settings.items())
        pb_utils.Logger.log_info(f"seatrial runtime {given['runtime']} {shown}")

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        try:
            wanted = [name for name in self._outputs if name in set(request.requested_output_names())]
            inputs = {self._own(name): _input(request, name) for name in self._inputs}
            results = self._session.run(inputs, [self._own(name) for name in wanted])
            tensors = [pb_utils.Tensor(name, _sendable(array)) for name, array in zip(wanted, results, strict=True)]
            return pb_utils.InferenceResponse(output_tensors=tensors)
        except Exception as error:  # whatever a runtime raises must stay this request's answer
            return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(f"{error}"))

    def _own(self, name: str) -> str:
        return self._layers.get(name, name)


def require(setting: str, held: object, wanted: object) -> None:
    """A setting that the runtime does not hold must stop the load: a measurement would be booked to it."""
    if held != wanted:
        raise RuntimeError(f"{setting} was set to {wanted} but the runtime says {held}")


def _input(request: Any, name: str) -> Array:
    array: Array = pb_utils.get_input_tensor_by_name(request, name).as_numpy()
    if array.dtype.hasobject:  # Triton hands text over as bytes, the runtimes take str
        return np.array([item.decode() for item in array.ravel()], dtype=object).reshape(array.shape)
    return array


def _sendable(array: Array) -> Array:
    return np.ascontiguousarray(array.astype(object) if array.dtype.kind in "US" else array)


def _shown(value: object) -> str:
    return str(value).replace(" ", "")
