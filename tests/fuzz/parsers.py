"""The parsers of an upload, each with sound bytes to start from: whatever the bytes, an answer or a typed refusal."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from seatrial.client.wire import BadContents, from_raw
from seatrial.errors import Refused, SeatrialError, UploadRefused
from seatrial.formats import onnx as onnx_format
from seatrial.formats import savedmodel, tensorrt
from seatrial.formats.check import report_of
from seatrial.formats.sandbox import SandboxLimits, outcome
from seatrial.formats.saved_model_graph import check_graph
from seatrial.formats.saved_model_proto import parse
from seatrial.formats.tensorrt import read_header
from seatrial.formats.tensorrt_device import LAYOUTS, read_device
from seatrial.formats.variables_index import read_index
from seatrial.storage.paths import path_flaw
from seatrial.strict_json import read_json
from seatrial.tensors import DTYPES, Signature, TensorSpec, from_npz, to_npz
from seatrial.uploads.declaration import declaration_of
from seatrial.uploads.manifest import manifest_of
from seatrial.uploads.mlflow import MLMODEL
from seatrial.uploads.mlflow_example import read_example
from seatrial.uploads.send import Parcel
from seatrial.uploads.yaml_guard import read_yaml_mapping
from tests.fuzz.damage import Make, changed, damaged, noise, text_of
from tests.hostile.case import Build, onnx_file, saved_model_file
from tests.models import tiny_onnx, tiny_sample
from tests.plans import archive, device_archive, plan
from tests.saved_models import saved_model, variables_index

MANIFEST = b"name: tiny\nformat: onnx\nobjective: {latency_ms: 200.0}\nsamples: [samples/a.npz]\ntags: {a: b}\n"
MLFLOW = (
    b"flavors:\n  onnx: {data: model.onnx}\nsaved_input_example_info: {artifact_path: input_example.json}\n"
    b"metadata:\n  seatrial: {layers: {audio: x}}\n  a: b\n"
)
SIGNATURE = Signature((TensorSpec("x", "FP32", (-1, 4)), TensorSpec("n", "UINT8", (1,))), ())
YAML_WORDS = (
    *(*"[]{},'#%|>?~", '"', "\n", "\n  ", "a:", ": ", "- ", "&a ", "*a", "<<: ", "!!int ", "!a ", "---", "...", "\t"),
    *("1e999", "0x1", "2020-01-01", "é"),
)
JSON_WORDS = (*'[]{},:"', '"a"', '"\\ud800"', "1", "-1", "1e999", "NaN", "Infinity", "null", "true", " ")
NAMES = ("a", "B/", ".", "..", "-", "{{", "CON", "é", "ß", "ﬁ", "\u202e", "\n", "\\", "_SUCCESS", " ", "/", "\0", "\0")
PROBLEM = b'{"reading": "a"}\n{"problem": {"type": "urn:seatrial:upload-refused", "detail": "no", "file": "a"}}\n'
REPORT = (
    b'{"answer": {"manifest": {"name": "tiny", "format": "onnx", "model_file": "m", "objective": {"latency_ms": 2.0}, '
    b'"samples": ["a.npz"]}, "served": {"name": "tiny", "version": 1, "format": "onnx", "main_file": "m", '
    b'"files": {"m": "0"}, "signature": {"inputs": [], "outputs": []}}, "tree_digest": "0", "files": {"m": "0"}, '
    b'"sample_names": ["a.npz"], "findings": [{"severity": "info", "file": "m", "message": "new"}], "runtime": {}, '
    b'"seconds": 1.0}}'
)


@dataclass(frozen=True)
class Parser:
    """`reads` may raise what is in `refuses` and nothing else. `seeds` are whole files, none of which it refuses.

    A `message` is protobuf. `made` are other inputs. `upload` builds an upload around the bytes where C++ code reads
    them: the format check has to refuse what ends that code's process.
    """

    reads: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    refuses: tuple[type[Exception], ...] = (Refused,)
    message: bool = False
    made: tuple[Make, ...] = ()
    upload: Callable[[bytes], Build] | None = None

    def inputs(self) -> list[Make]:
        """Ways to make an input."""
        within = [changed(seed) for seed in self.seeds] if self.message else []
        return [noise, *self.made, *map(damaged, self.seeds), *within]


def _in_a_file(name: str, reads: Callable[[Path, str], object]) -> Callable[[bytes], object]:
    """A reader of bytes out of one of a file in a folder, beside the weights that it may name."""

    def read(data: bytes) -> object:
        with tempfile.TemporaryDirectory(prefix="seatrial-fuzz-") as home:
            file = Path(home, name)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
            Path(home, "w.bin").write_bytes(bytes(16))
            return reads(Path(home), name.partition("/")[0])

    return read


def _graph(data: bytes) -> None:
    """All that is read of a saved_model.pb without OpenVINO."""
    graph = savedmodel._serving_graph(parse("SavedModel", data), "saved_model.pb")
    name, chosen, _ = savedmodel._choose_signature(graph, "saved_model.pb")
    for side in (chosen.inputs, chosen.outputs):
        savedmodel._specs(side, "saved_model.pb", name)
    check_graph(Path("/nowhere"), "saved_model", graph, "saved_model.pb")


def _tree(data: bytes) -> None:
    """A folder with the names in `data`; those that the file system does not take are left out."""
    with tempfile.TemporaryDirectory(prefix="seatrial-fuzz-") as home:
        for name in data.split(b"\0")[:50]:
            path = Path(home, os.fsdecode(name.replace(b"..", b".").lstrip(b"/")))
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        assert not any(map(path_flaw, Parcel.of(Path(home)).digests)), "a name that no path may have"


def _contents(data: bytes) -> None:
    """Raw contents of a tensor; the first bytes say its dtype and its shape."""
    names = [*DTYPES, "BF16", "FP8"]
    rank = data[1] % 4 if len(data) > 1 else 0
    shape = tuple(int.from_bytes(data[2 + n : 3 + n], signed=True) for n in range(rank))
    from_raw(names[data[0] % len(names)] if data else "FP32", shape, data, min(2 + rank, len(data)))


def _onnx_seeds() -> tuple[bytes, ...]:
    """The network of the tests; one with weights outside; one with a function, a branch and an attribute tensor."""
    with tempfile.TemporaryDirectory() as folder:
        tiny = tiny_onnx(Path(folder) / "m.onnx").read_bytes()
    outside = onnx.load_from_string(tiny)
    weights = TensorProto(name="w", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "w.bin", "offset": "0", "length": "16"}.items():
        weights.external_data.add(key=key, value=value)
    outside.graph.initializer[0].CopyFrom(weights)
    layers = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy"]
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("own", 1)]
    inner = helper.make_function("own", "f", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], opsets)
    branch = helper.make_graph(
        [helper.make_node("f", ["x"], ["z"], domain="own")], "b", [], [helper.make_tensor_value_info("z", 1, ["n", 4])]
    )
    nodes = [
        helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", TensorProto.BOOL, [], [True])),
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
    ]
    branching = helper.make_model(
        helper.make_graph(nodes, "g", layers[:1], layers[1:]), opset_imports=opsets, ir_version=8, functions=[inner]
    )
    return tiny, outside.SerializeToString(), branching.SerializeToString()


PLANS = (plan((10, 3, 0, 26)), archive((8, 5, 3, 1)), archive((7, 1, 3, 0)), archive((8, 0, 1, 6)))

PARSERS = {
    "manifest": Parser(manifest_of, (MANIFEST,)),
    "mlmodel": Parser(lambda data: declaration_of(MLMODEL, data, "tiny"), (MLFLOW,), made=(text_of(YAML_WORDS),)),
    "example": Parser(
        lambda data: read_example(data, SIGNATURE),
        (b'{"x": [[1, 2.5, -3e1, 4]], "n": 7}',),
        made=(text_of(JSON_WORDS),),
    ),
    "yaml": Parser(lambda data: read_yaml_mapping(data, "model.yaml"), (MANIFEST,), made=(text_of(YAML_WORDS),)),
    "json": Parser(
        lambda data: read_json(data, "body"),
        (b'{"a": [1, 2.5, "b\\u00e9"], "c": null}',),
        (Refused, ValueError),
        made=(text_of(JSON_WORDS),),
    ),
    "path": Parser(lambda data: path_flaw(data.decode(errors="surrogateescape")), (b"samples/a.npz",), ()),
    "tree": Parser(_tree, (b"model.yaml\0samples/a.npz\0samples/b/",), made=(text_of(NAMES),)),
    "sample": Parser(lambda data: from_npz(data, limit_bytes=2**20), (to_npz(tiny_sample()),)),
    "contents": Parser(_contents, (b"\0\1\4" + bytes(4), b"\x0c\1\1\1\0\0\0a"), (BadContents,)),
    "plan-header": Parser(read_header, PLANS, ()),
    "plan-device": Parser(read_device, tuple(map(device_archive, LAYOUTS)), ()),
    "plan": Parser(_in_a_file("model.plan", tensorrt.inspect), PLANS),
    "onnx": Parser(
        _in_a_file("model.onnx", onnx_format.inspect),
        _onnx_seeds(),
        (UploadRefused, MemoryError),
        message=True,
        upload=onnx_file,
    ),
    "saved-model-graph": Parser(_graph, (saved_model(),), (UploadRefused, DecodeError), message=True),
    "saved-model": Parser(
        _in_a_file("saved_model/saved_model.pb", savedmodel.inspect),
        (saved_model(),),
        (UploadRefused, MemoryError),
        message=True,
        upload=saved_model_file,
    ),
    "variables-index": Parser(
        lambda data: read_index(data, "variables.index"), (variables_index([("a", 0, 0, 16), ("b", 0, 16, 4)]),)
    ),
    "report": Parser(
        lambda data: report_of(outcome(data, 0, "", SandboxLimits())),
        (REPORT,),
        (SeatrialError,),
        made=(damaged(PROBLEM),),
    ),
}
