"""TensorFlow SavedModel: its signature read from the protobuf, then loaded by OpenVINO, which is what serves it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from seatrial.errors import UploadRefused
from seatrial.formats.facts import Finding, FormatFacts, read_start, shown
from seatrial.formats.saved_model_graph import check_graph
from seatrial.formats.saved_model_proto import parse
from seatrial.formats.variables_index import VariablesIndex, read_index
from seatrial.formats.weights import Weight
from seatrial.storage.paths import open_beneath
from seatrial.tensors import Signature, TensorSpec

MAIN = "saved_model.pb"
DEFAULT_SIGNATURE = "serving_default"
INIT_OP = "__saved_model_init_op"
LARGEST_FILE = 2 * 2**30 - 1
LARGEST_INDEX = 64 * 2**20
INDEX = "variables/variables.index"
SHARD = re.compile(r"variables/variables\.data-(\d{5})-of-(\d{5})")

# types.proto of TensorFlow
DTYPES = {
    1: "FP32",
    2: "FP64",
    3: "INT32",
    4: "UINT8",
    5: "INT16",
    6: "INT8",
    7: "BYTES",
    9: "INT64",
    10: "BOOL",
    17: "UINT16",
    19: "FP16",
    22: "UINT32",
    23: "UINT64",
}


def inspect(folder: Path, model_file: str) -> FormatFacts:
    """Signature, versions and files of the SavedModel in the folder `model_file` of an upload.

    The layers are the keys of the signature `serving_default`, or of the only one. Raises UploadRefused: not a
    SavedModel, cut off, several signatures, a tensor that cannot be served, missing variables, or not loadable.
    """
    main = f"{model_file}/{MAIN}"
    _, size = read_start(folder, main, 16)
    if size > LARGEST_FILE:
        raise UploadRefused("bytes are too many", file=main, value=size, limit=f"{LARGEST_FILE}")
    graph = _serving_graph(_parse(folder, main), main)
    name, chosen, findings = _choose_signature(graph, main)
    signature = Signature(
        _specs(chosen.inputs, main, f"{name}.inputs"), _specs(chosen.outputs, main, f"{name}.outputs")
    )
    check_graph(folder, model_file, graph, main)
    inside = {str(path.relative_to(folder / model_file)) for path in (folder / model_file).rglob("*") if path.is_file()}
    files = tuple(f"{model_file}/{path}" for path in sorted(inside))
    _check_variables(inside, model_file)
    weights: tuple[Weight, ...] = ()
    if INDEX in inside:
        index, found = _compare_shards(folder, model_file, inside)
        weights, findings = index.weights if index else (), (*findings, *found)
    network = open_network(folder / model_file, main)
    _check_ports(network, signature, main)
    return FormatFacts(signature, files, _runtime(graph, name), findings, weights)


def open_network(path: Path, shown_as: str) -> Any:
    """The SavedModel in `path` as an OpenVINO model. Raises UploadRefused when OpenVINO cannot read it."""
    import openvino

    try:
        return openvino.Core().read_model(path)
    except Exception as error:  # it raises RuntimeError and classes of its own; their text is long, the end says why
        raise UploadRefused(f"cannot be loaded by OpenVINO: {shown(error, 2000)[-300:]}", file=shown_as) from error


def _parse(folder: Path, main: str) -> Any:
    from google.protobuf.message import DecodeError

    with open_beneath(folder, main) as file:
        data = file.read()
    try:
        return parse("SavedModel", data)
    except DecodeError as error:
        raise UploadRefused("is cut off, damaged, or not a SavedModel", file=main) from error


def _serving_graph(model: Any, main: str) -> Any:
    graphs = [graph for graph in model.meta_graphs if "serve" in graph.meta_info.tags] or list(model.meta_graphs)
    if len(graphs) != 1:
        raise UploadRefused("graphs are tagged to be served", file=main, value=len(graphs), limit="exactly one")
    return graphs[0]


def _choose_signature(graph: Any, main: str) -> tuple[str, Any, tuple[Finding, ...]]:
    found = {entry.key: entry.value for entry in graph.signatures if entry.key != INIT_OP}
    names = shown(", ".join(sorted(found)))
    if DEFAULT_SIGNATURE not in found and len(found) != 1:
        limit = f"one, or one named {DEFAULT_SIGNATURE}"
        raise UploadRefused("are not one signature to serve", file=main, field="signatures", value=names, limit=limit)
    name = DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in found else next(iter(found))
    limit = f"one of {names}"
    note = Finding(
        severity="info", file=main, location="signatures", value=shown(name), limit=limit, message="is the one served"
    )
    return name, found[name], (note,) if len(found) > 1 else ()


def _specs(entries: Any, main: str, side: str) -> tuple[TensorSpec, ...]:
    tensors = {entry.key: entry.value for entry in entries}
    if not tensors:
        raise UploadRefused("are missing", file=main, field=shown(side, 100), limit="at least one")
    return tuple(_spec(name, info, main) for name, info in tensors.items())


def _spec(name: str, info: Any, main: str) -> TensorSpec:
    field = f"layer {shown(name, 100)}"
    dtype = DTYPES.get(info.dtype)
    if dtype is None or not info.name:
        kind = f"TensorFlow dtype {info.dtype}" if info.name else "a sparse or composite tensor"
        raise UploadRefused("cannot be served", file=main, field=field, value=kind, limit=", ".join(DTYPES.values()))
    if info.tensor_shape.unknown_rank:
        raise UploadRefused("has no known number of dimensions", file=main, field=field, limit="a shape")
    return TensorSpec(name, dtype, tuple(max(-1, dim.size) for dim in info.tensor_shape.dim))


def _check_variables(inside: set[str], model_file: str) -> None:
    """A model without variables may have no such folder; one that has shards needs all of them and their index."""
    shards = [match for match in map(SHARD.fullmatch, sorted(inside)) if match]
    if shards and INDEX not in inside:
        raise UploadRefused("is missing: the variables cannot be found without it", file=f"{model_file}/{INDEX}")
    if INDEX in inside:
        total = int(shards[0][2]) if shards else 1
        for number in range(min(total, len(shards) + 1)):
            name = f"variables/variables.data-{number:05d}-of-{total:05d}"
            if name not in inside:
                raise UploadRefused("is missing: the index speaks of it", file=f"{model_file}/{name}")


def _compare_shards(
    folder: Path, model_file: str, inside: set[str]
) -> tuple[VariablesIndex | None, tuple[Finding, ...]]:
    """Every shard of the index must be there with the bytes of its tensors; more of them is worth a word. The index, if
    it can be read, and what was found."""
    path = f"{model_file}/{INDEX}"
    _, size = read_start(folder, path, 1)
    if size > LARGEST_INDEX:
        raise UploadRefused("bytes are too many", file=path, value=size, limit=LARGEST_INDEX)
    with open_beneath(folder, path) as file:
        index = read_index(file.read(), path)
    if index is None:
        message = "is compressed: its tensors were not compared with the shards"
        return None, (Finding(severity="warning", file=path, location="blocks", message=message),)
    there = sum(SHARD.fullmatch(each) is not None for each in inside)
    if index.shards != there:
        reason = "shards are said, others are there"
        raise UploadRefused(reason, file=path, field="header", value=index.shards, limit=f"{there} shards")
    return index, tuple(
        found
        for number, needed in index.needed.items()
        for found in _compare_shard(
            folder, f"{model_file}/variables/variables.data-{number:05d}-of-{there:05d}", needed
        )
    )


def _compare_shard(folder: Path, path: str, needed: int) -> tuple[Finding, ...]:
    with open_beneath(folder, path) as file:
        size = file.seek(0, 2)
    if size < needed:
        reason = "bytes are there: it is cut off"
        raise UploadRefused(reason, file=path, field="size", value=size, limit=f"{needed} bytes by the index")
    if size == needed:
        return ()
    message, limit = "bytes are there, some of no tensor", f"{needed} bytes by the index"
    return (Finding(severity="warning", file=path, location="size", value=str(size), limit=limit, message=message),)


def _check_ports(network: Any, signature: Signature, main: str) -> None:
    """OpenVINO finds tensors by the signature's keys: each of them must be one of its ports."""
    for side, ports, specs in (
        ("input", network.inputs, signature.inputs),
        ("output", network.outputs, signature.outputs),
    ):
        known = {name for port in ports for name in port.get_names()}
        for spec in specs:
            if spec.name not in known:
                names = shown(", ".join(sorted(known)))
                raise UploadRefused(
                    f"is not an {side} for OpenVINO", file=main, field=shown(spec.name, 100), limit=names
                )


def _runtime(graph: Any, signature: str) -> dict[str, str]:
    import openvino

    return {
        "openvino": str(openvino.get_version()),
        "tensorflow": shown(graph.meta_info.tensorflow_version, 50),
        "signature": shown(signature, 100),
    }
