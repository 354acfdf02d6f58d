"""Models of four lines and uploads around them, for every test that needs a real file to check, serve or register."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from seatrial.tensors import to_npz

TINY_WIDTH = 4


def tiny_onnx(path: Path, scale: float = 2.0) -> Path:
    """Write y = x · scale as an ONNX file: `x` and `y` are FP32[-1,4]. Returns the path."""
    import onnx
    from onnx import TensorProto, helper

    axes = ["batch", TINY_WIDTH]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, axes)],
        [helper.make_tensor("w", TensorProto.FLOAT, [1], [scale])],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def tiny_sample(seed: int = 0, rows: int = 1) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Input tensors that the model of `tiny_onnx` takes."""
    return {"x": np.random.default_rng(seed).standard_normal((rows, TINY_WIDTH)).astype(np.float32)}


def write_upload(
    folder: Path,
    *,
    scale: float = 2.0,
    model: bool = True,
    samples: Mapping[str, Mapping[str, Any]] | None = None,
    marker: bool = True,
    **manifest: Any,
) -> Path:
    """Write a whole upload of `tiny_onnx`: manifest, model, two samples and the `_SUCCESS` marker. Returns the folder.

    Keyword arguments replace entries of the manifest (None leaves one out): `write_upload(folder, name="pitch",
    layers={"audio": "x"})`. `samples` maps file names to tensors and is written as it is, without expected outputs;
    `model=False` leaves the model file to the caller. The marker is written last, as an uploader should.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if model:
        tiny_onnx(folder / "model.onnx", scale)
    layers = manifest.get("layers") or {}
    public = {own: name for name, own in layers.items()}
    if samples is None:
        samples = {f"samples/{name}.npz": _with_answer(tiny_sample(i), scale, public) for i, name in enumerate("ab")}
    for name, tensors in samples.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(to_npz(tensors))
    document = {
        "name": "tiny",
        "format": "onnx",
        "objective": {"latency_ms": 200.0},
        "samples": sorted(samples),
        **manifest,
    }
    kept = {name: value for name, value in document.items() if value is not None}
    (folder / "model.yaml").write_text(yaml.safe_dump(kept))
    if marker:
        (folder / "_SUCCESS").touch()
    return folder


def _with_answer(inputs: Mapping[str, Any], scale: float, public: Mapping[str, str]) -> dict[str, Any]:
    x = inputs["x"]
    return {public.get("x", "x"): x, f"expected.{public.get('y', 'y')}": x * np.float32(scale)}
