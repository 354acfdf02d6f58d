"""The reference runtimes: what a model's own files answer, without any server in between."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seatrial.errors import Refused, UploadRefused
from seatrial.formats.facts import shown
from seatrial.formats.onnx import open_session
from seatrial.formats.sandbox import SandboxLimits, run_limited
from seatrial.formats.savedmodel import open_network
from seatrial.served_model import ServedModel
from seatrial.tensors import Array, Tensors, from_npz, to_npz

Runner = Callable[[Tensors], dict[str, Array]]

RUNTIMES = {"onnx": "ONNX Runtime", "savedmodel": "OpenVINO"}
LARGEST_ANSWER = 2**30


def reference_answers(
    folder: Path, served: ServedModel, requests: Sequence[Tensors], limits: SandboxLimits | None = None
) -> tuple[dict[str, Array], ...]:
    """The answer to each of `requests`, both by public layer names: of ONNX Runtime or OpenVINO (f32) on one CPU
    thread, in a sandbox.

    One child process answers all of them, so ask for many at once. Raises Refused for a format without a reference
    runtime, UploadRefused when the model cannot be loaded or run within `limits`.
    """
    if served.format not in RUNTIMES:
        raise Refused(f"{served.name}: there is no reference runtime for {served.format}", limit=", ".join(RUNTIMES))
    with tempfile.TemporaryDirectory(prefix="seatrial-reference-") as scratch:
        for number, request in enumerate(requests):
            (Path(scratch) / f"{number}.request.npz").write_bytes(to_npz(request))
        arguments = {
            "folder": str(folder.absolute()),
            "served": served.model_dump(mode="json"),
            "scratch": scratch,
            "requests": len(requests),
        }
        run_limited("reference", arguments, limits or SandboxLimits())
        answers = [(Path(scratch) / f"{number}.answer.npz").read_bytes() for number in range(len(requests))]
        return tuple(from_npz(answer, limit_bytes=LARGEST_ANSWER) for answer in answers)


def answer(arguments: dict[str, Any], reading: Callable[[str], None]) -> dict[str, Any]:
    """The sandbox's task "reference": answers `<n>.request.npz` in `scratch` with `<n>.answer.npz`."""
    served = ServedModel.model_validate(arguments["served"])
    scratch = Path(arguments["scratch"])
    reading(served.main_file)
    run = _RUNNERS[served.format](Path(arguments["folder"]), served)
    for number in range(arguments["requests"]):
        inputs = from_npz((scratch / f"{number}.request.npz").read_bytes(), limit_bytes=LARGEST_ANSWER)
        try:
            outputs = run(inputs)
        except Exception as error:  # the runtimes' error classes share no other root
            raise UploadRefused(f"cannot be run: {shown(error)}", file=served.main_file) from error
        (scratch / f"{number}.answer.npz").write_bytes(to_npz(outputs))
    return {}


def _onnx(folder: Path, served: ServedModel) -> Runner:
    session = open_session(folder / served.main_file, served.main_file)
    outputs = [spec.name for spec in served.signature.outputs]

    def run(inputs: Tensors) -> dict[str, Array]:
        answers = session.run([_own(served, layer) for layer in outputs], _feed(served, inputs))
        return {layer: _shown(served, layer, array) for layer, array in zip(outputs, answers, strict=True)}

    return run


def _savedmodel(folder: Path, served: ServedModel) -> Runner:
    import openvino

    network = open_network(folder / served.main_file, served.main_file)
    # f32: with the default hint OpenVINO computes in bf16 where the CPU has it, and that is not the model's answer.
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(network, "CPU", settings)

    def run(inputs: Tensors) -> dict[str, Array]:
        results = compiled(_feed(served, inputs))
        outputs = [spec.name for spec in served.signature.outputs]
        return {layer: _shown(served, layer, results[_own(served, layer)]) for layer in outputs}

    return run


def _own(served: ServedModel, layer: str) -> str:
    return served.layers.get(layer, layer)


def _feed(served: ServedModel, inputs: Tensors) -> dict[str, Array]:
    bare = served.scalars
    return {_own(served, layer): array.reshape(()) if layer in bare else array for layer, array in inputs.items()}


def _shown(served: ServedModel, layer: str, array: Array) -> Array:
    return array.reshape(1) if layer in served.scalars else array


_RUNNERS: dict[str, Callable[[Path, ServedModel], Runner]] = {"onnx": _onnx, "savedmodel": _savedmodel}
