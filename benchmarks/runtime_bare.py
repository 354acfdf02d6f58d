"""A network called directly, in a process of its own: `python -m benchmarks.runtime_bare FORMAT PATH INPUT OUTPUTS…`.

The quickest plain call that each runtime offers, with the settings that the python runtime has. For each line of
standard input, a number of rows, one call; its answer is a line with the nanoseconds of the call and of its CPU time.
The first line tells the seconds of import and load.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Call = Callable[[Any], Any]


def main(model_format: str, path: str, layer: str, *outputs: str) -> None:
    began = time.perf_counter()
    call = LOADERS[model_format](path, layer, outputs)
    print(time.perf_counter() - began, flush=True)
    inputs: dict[int, Any] = {}
    for line in sys.stdin:
        rows = int(line)
        x = inputs.setdefault(rows, window(rows))
        cpu, began_ns = time.process_time_ns(), time.perf_counter_ns()
        call(x)
        print(time.perf_counter_ns() - began_ns, time.process_time_ns() - cpu, flush=True)


def window(rows: int) -> Any:
    """The network's input: two seconds of noise a row."""
    return np.random.default_rng(rows).normal(0, 0.1, (rows, 43_844, 1)).astype(np.float32)


def _onnx(path: str, layer: str, outputs: tuple[str, ...]) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(outputs, {layer: x})


def _savedmodel(path: str, layer: str, _outputs: tuple[str, ...]) -> Call:
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    return lambda x: compiled({layer: x}, share_inputs=True, share_outputs=True)


LOADERS = {"onnx": _onnx, "savedmodel": _savedmodel}

if __name__ == "__main__":
    main(*sys.argv[1:])
