"""The networks of the real CPU matrix: what is uploaded, one request, and the objective."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runtime_bare import window
from quickstart.example_models import write_upload
from seatrial.formats.check import check_upload
from seatrial.profiling.cell import Objective
from seatrial.served_model import ServedModel
from seatrial.tensors import Signature, TensorSpec

WIDTH, HIDDEN = 2048, 4096


@dataclass(frozen=True)
class Network:
    """An upload, what an Inference Server must know of it, one request, and the objective."""

    upload: Path
    served: ServedModel
    request: dict[str, Any]
    objective: Objective


def _pitch(examples: Path, folder: Path) -> Network:
    upload = write_upload(folder, examples, "onnx", "benchmark")
    return Network(upload, check_upload(upload).served, {"audio": window(1)}, Objective(percentile=99, latency_ms=150))


def _dense(_examples: Path, folder: Path) -> Network:
    """y = x · A · B: 64 MB of weights, which one row needs as much as eight."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(1)
    shapes = {"a": (WIDTH, HIDDEN), "b": (HIDDEN, WIDTH)}
    weights = [numpy_helper.from_array(random.normal(0, 0.02, s).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [helper.make_node("MatMul", ["x", "a"], ["h"]), helper.make_node("MatMul", ["h", "b"], ["y"])]
    layers = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", WIDTH]) for name in "xy"]
    graph = helper.make_graph(nodes, "dense", layers[:1], layers[1:], weights)
    folder.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder / "m.onnx")
    served = ServedModel(
        name="dense",
        version=1,
        format="onnx",
        main_file="m.onnx",
        files={"m.onnx": hashlib.sha256((folder / "m.onnx").read_bytes()).hexdigest()},
        signature=Signature((TensorSpec("x", "FP32", (-1, WIDTH)),), (TensorSpec("y", "FP32", (-1, WIDTH)),)),
    )
    request = {"x": np.linspace(-1, 1, WIDTH, dtype=np.float32).reshape(1, WIDTH)}
    return Network(folder, served, request, Objective(percentile=99, latency_ms=100))


NETWORKS: dict[str, Callable[[Path, Path], Network]] = {"dense": _dense, "pitch": _pitch}
