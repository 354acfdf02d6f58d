"""ONNX: checked by onnx.checker, then by making an ONNX Runtime session of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seatrial.errors import UploadRefused
from seatrial.formats.facts import Finding, FormatFacts, read_start, shown
from seatrial.formats.onnx_external import external_files
from seatrial.formats.onnx_limits import OLDEST_OPSET, check_nodes, check_versions, old_opset, too_new
from seatrial.formats.onnx_weights import onnx_weights
from seatrial.tensors import Signature, TensorSpec

LARGEST_FILE = 2 * 2**30 - 1  # protobuf cannot hold more; larger weights are kept as external data

DTYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


def inspect(folder: Path, model_file: str) -> FormatFacts:
    """Signature, versions and needed files of an ONNX model. A symbolic dimension becomes -1.

    Raises UploadRefused: not an ONNX model, cut off, invalid, weights outside the upload, or not loadable.
    """
    _, size = read_start(folder, model_file, 16)
    if size > LARGEST_FILE:
        raise UploadRefused("bytes are too many", file=model_file, value=size, limit=f"{LARGEST_FILE}")
    try:
        return _inspect(folder, model_file)
    except UnicodeDecodeError as error:  # protobuf, checker and runtime take any bytes for a name; Python does not
        raise UploadRefused("holds a text that is not UTF-8", file=model_file, value=error.object[:80]) from error


def _inspect(folder: Path, model_file: str) -> FormatFacts:
    model = _parse(folder / model_file, model_file)
    check_versions(model, model_file)
    check_nodes(model, model_file)
    outside = external_files(folder, model_file, model)
    _check(folder / model_file, model_file)
    session = open_session(folder / model_file, model_file, optimized=False)
    ranked = _ranked(model)
    signature = Signature(
        tuple(_spec(argument, model_file, ranked) for argument in session.get_inputs()),
        tuple(_spec(argument, model_file, ranked) for argument in session.get_outputs()),
    )
    return FormatFacts(
        signature,
        (model_file, *outside),
        _runtime(model),
        _findings(model, model_file),
        tuple(onnx_weights(model, model_file)),
    )


def open_session(file: Path, shown_as: str, *, optimized: bool = True) -> Any:
    """An ONNX Runtime session of `file` on one CPU thread. Raises UploadRefused when the runtime cannot load it.

    Not `optimized`, nothing is computed while it is loaded: a few bytes can ask for gigabytes of constants.
    """
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its dozen error classes share no other root
        refusal = too_new(str(error), shown_as)
        if refusal is None:
            refusal = UploadRefused(f"cannot be loaded by ONNX Runtime: {shown(error)}", file=shown_as)
        raise refusal from error


def _parse(file: Path, shown_as: str) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model(file, format="protobuf", load_external_data=False)
    except DecodeError as error:
        raise UploadRefused("is cut off, damaged, or not an ONNX file", file=shown_as) from error
    if not model.HasField("graph") or not model.opset_import:
        raise UploadRefused("is cut off or not an ONNX model: it has no graph or no opset", file=shown_as)
    return model


def _check(file: Path, shown_as: str) -> None:
    import onnx

    try:
        onnx.checker.check_model(str(file))
    except onnx.checker.ValidationError as error:
        raise UploadRefused(f"is not a valid ONNX model: {shown(error)}", file=shown_as) from error


def _ranked(model: Any) -> set[str]:
    """Names of inputs and outputs whose shape the file states; ONNX Runtime shows an unknown one as a scalar's."""
    values = [*model.graph.input, *model.graph.output]
    return {value.name for value in values if value.type.tensor_type.HasField("shape")}


def _spec(argument: Any, file: str, ranked: set[str]) -> TensorSpec:
    dtype = DTYPES.get(argument.type)
    name = shown(argument.name, 100)
    if dtype is None:
        kinds = ", ".join(DTYPES)
        raise UploadRefused("cannot be served", file=file, field=name, value=argument.type, limit=kinds)
    shape = argument.shape
    if shape is None or (not shape and argument.name not in ranked):
        raise UploadRefused("has no known number of dimensions", file=file, field=name, limit="a shape in the graph")
    dimensions = tuple(size if isinstance(size, int) and size >= 0 else -1 for size in shape)
    return TensorSpec(argument.name, dtype, dimensions)


def _runtime(model: Any) -> dict[str, str]:
    import onnx
    import onnxruntime

    opsets = ", ".join(f"{entry.domain or 'ai.onnx'} {entry.version}" for entry in model.opset_import)
    return {
        "onnx": str(onnx.__version__),
        "onnxruntime": str(onnxruntime.__version__),
        "opset": shown(opsets),
        "ir_version": str(model.ir_version),
        "producer": shown(f"{model.producer_name} {model.producer_version}", 100),
    }


def _findings(model: Any, file: str) -> tuple[Finding, ...]:
    foreign = sorted({shown(node.domain, 100) for node in model.graph.node if node.domain not in ("", "ai.onnx")})
    message = "is a domain of operators besides ONNX's own"
    found = [Finding(severity="info", file=file, location="graph", value=name, message=message) for name in foreign]
    opset = old_opset(model)
    if opset is not None:
        found.append(
            Finding(
                severity="warning",
                file=file,
                location="opset",
                value=str(opset),
                limit=f"{OLDEST_OPSET} or later",
                message="is older than what ONNX Runtime promises to run",
            )
        )
    return (*found, *_free_axes(model, file))


def _free_axes(model: Any, file: str) -> Iterator[Finding]:
    """Inputs with free dimensions besides the first, which is that of the batch: what a request costs is open."""
    weights = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        behind = value.type.tensor_type.shape.dim[1:]
        free = [dim.dim_param or "?" for dim in behind if not dim.HasField("dim_value")]
        if free and value.name not in weights:
            yield Finding(
                severity="info",
                file=file,
                location=shown(value.name, 100),
                value=shown(", ".join(map(str, free)), 100),
                message="can be of any size: what a request costs depends on it",
            )
