"""Models of four lines and uploads around them, for every test that needs a real file to check, serve or register."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from seatrial.tensors import to_npz

TINY_WIDTH = 4


def tiny_onnx(path: Path, scale: float = 2.0, metadata: Mapping[str, str] | None = None) -> Path:
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
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.save(model, path)
    return path


def lookup_onnx(path: Path) -> Path:
    """Write y[i, j] = table[ids[i, j]] as an ONNX file: `ids` is INT64[-1,-1], `y` is FP32[-1,-1,2], and the table has
    eight rows: what is asked for beyond them fails when it runs. Returns the path."""
    from onnx import TensorProto, helper

    table = helper.make_tensor("table", TensorProto.FLOAT, [8, 2], [float(n) for n in range(16)])
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "width"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "width", 2])
    return _write_graph(path, [helper.make_node("Gather", ["table", "ids"], ["y"])], [ids], [y], [table])


def counting_onnx(path: Path) -> Path:
    """Write an ONNX file that tells each row how many rows it was run with: `x` and `y` are INT64[-1,1]."""
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.INT64, ["batch", 1])
    y = helper.make_tensor_value_info("y", TensorProto.INT64, ["batch", 1])
    first = helper.make_tensor("first", TensorProto.INT64, [1], [0])
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["rows"]),
        helper.make_node("Sub", ["x", "x"], ["zero"]),
        helper.make_node("Add", ["zero", "rows"], ["y"]),
    ]
    return _write_graph(path, nodes, [x], [y], [first])


def text_onnx(path: Path) -> Path:
    """Write an ONNX file that answers text with itself (`same`) and with its word's number (`number`): `words` and
    `same` are BYTES[-1,2], `number` is INT64[-1,2], 7 for "née" and -1 for any other. Returns the path."""
    from onnx import TensorProto, helper

    words = helper.make_tensor_value_info("words", TensorProto.STRING, ["batch", 2])
    same = helper.make_tensor_value_info("same", TensorProto.STRING, ["batch", 2])
    number = helper.make_tensor_value_info("number", TensorProto.INT64, ["batch", 2])
    encode = helper.make_node(
        "LabelEncoder", ["words"], ["number"], domain="ai.onnx.ml", keys_strings=["née"], values_int64s=[7]
    )
    return _write_graph(path, [helper.make_node("Identity", ["words"], ["same"]), encode], [words], [same, number])


def twice_onnx(path: Path, dtype: str, shape: list[int | None]) -> Path:
    """Write y = x + x as an ONNX file; `dtype` is ONNX's name, None in the shape a free dimension. Returns the path."""
    from onnx import TensorProto, helper

    kind = TensorProto.DataType.Value(dtype)
    axes = [f"d{at}" if size is None else size for at, size in enumerate(shape)]
    x, y = (helper.make_tensor_value_info(name, kind, axes) for name in "xy")
    return _write_graph(path, [helper.make_node("Add", ["x", "x"], ["y"])], [x], [y])


def heavy_onnx(path: Path, width: int = 512, rows: int = 256, products: int = 8) -> Path:
    """Write an ONNX file that computes for some 20 ms on a core and has a few hundred bytes: `x` and `y` are
    FP32[1,width], each of `y` is the mean of `x`. Returns the path."""
    from onnx import TensorProto, helper

    scale = helper.make_tensor("scale", TensorProto.FLOAT, [1], [1.0 / width])
    nodes = [
        helper.make_node("ConstantOfShape", ["square"], ["weights"], value=scale),
        helper.make_node("Expand", ["x", "tall"], ["h0"]),
        *(helper.make_node("MatMul", [f"h{n}", "weights"], [f"h{n + 1}"]) for n in range(products)),
        helper.make_node("ReduceMean", [f"h{products}"], ["y"], axes=[0], keepdims=1),
    ]
    constants = [
        helper.make_tensor(name, TensorProto.INT64, [2], shape)
        for name, shape in (("square", [width, width]), ("tall", [rows, width]))
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, width]) for name in "xy")
    return _write_graph(path, nodes, [x], [y], constants)


def _write_graph(path: Path, nodes: Any, inputs: Any, outputs: Any, constants: Any = ()) -> Path:
    import onnx
    from onnx import helper

    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 2)]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, constants)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
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


def write_text_upload(folder: Path) -> Path:
    """Write a whole upload of `text_onnx` by the name `words`. Returns the folder."""
    text_onnx(folder / "model.onnx")
    samples = {"samples/a.npz": {"words": np.array([["née", "other"]])}}
    return write_upload(folder, name="words", model=False, samples=samples)


def _with_answer(inputs: Mapping[str, Any], scale: float, public: Mapping[str, str]) -> dict[str, Any]:
    x = inputs["x"]
    return {public.get("x", "x"): x, f"expected.{public.get('y', 'y')}": x * np.float32(scale)}
