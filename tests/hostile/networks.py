"""ONNX files: cut, damaged, unfolding without end, pointing out of their folder, and of no use to any server."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from onnx import TensorProto, helper

from seatrial.client.fields import fields, varint
from seatrial.uploads.tree import MARKER
from tests.hostile.case import Build, Case, flipped, onnx_file
from tests.models import write_upload
from tests.saved_models import field

NAME = "model.onnx"
FLOAT = TensorProto.FLOAT
MIB = 2**20


def _value(name: str, kind: int = FLOAT, shape: Any = ("batch", 4)) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def _model(nodes: Any = None, opset: int = 13, ir: int = 8, **parts: Any) -> Any:
    """y = x · w, with `nodes`, `inputs`, `outputs`, `constants` or `functions` in the place of its own."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])] if nodes is None else nodes,
        "tiny",
        parts.get("inputs", [_value("x")]),
        parts.get("outputs", [_value("y")]),
        parts.get("constants", [helper.make_tensor("w", FLOAT, [1], [2.0])]),
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir, functions=parts.get("functions", ()))


SOUND: bytes = _model().SerializeToString()


def _bytes(data: bytes, *says: str) -> Case:
    return Case(onnx_file(data), NAME, says)


def _made(make: Callable[[], Any], *says: str, may_pass: bool = False) -> Case:
    """The model is made when its turn comes."""

    def build(folder: Path) -> None:
        made = make()
        onnx_file(made if isinstance(made, bytes) else made.SerializeToString())(folder)

    return Case(build, NAME, says, may_pass)


def _sections() -> dict[int, int]:
    """Where each field of the sound file's outermost message starts, by field number (the first of each)."""
    starts: dict[int, int] = {}
    begin = 0
    for number, _, _, end in fields(SOUND, 0, len(SOUND)):
        starts.setdefault(number, begin)
        begin = end
    return starts


def _external(
    location: str | None, size: int | None = 16, more: dict[str, str] | None = None, shape: tuple[int, ...] = (4,)
) -> Build:
    """A model whose weights are floats of that shape in `location`; `size` bytes are there, None for no file."""

    def build(folder: Path) -> None:
        write_upload(folder, model=False)
        weights = TensorProto(name="w", data_type=FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
        for key, value in {"location": location, **(more or {})}.items():
            if value is not None:
                weights.external_data.add(key=key, value=value)
        (folder / NAME).write_bytes(_model(constants=[weights]).SerializeToString())
        if size is not None:
            (folder / "w.bin").write_bytes(bytes(size))

    return build


def _outside(location: str | None, *says: str, size: int | None = 16, **more: str) -> Case:
    return Case(_external(location, size, more), NAME, ("external data of 'w'", *says))


def _weights_in_the_marker(folder: Path) -> None:
    _external(MARKER, None)(folder)
    (folder / MARKER).write_bytes(bytes(16))


def _external_bytes() -> bytes:
    weights = TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value="w.bin")
    data: bytes = _model(constants=[weights]).SerializeToString()
    return data


def _linked(folder: Path) -> None:
    _external("w.bin", None)(folder)
    (folder / "w.bin").symlink_to("/etc/passwd")


def _nested(depth: int) -> Any:
    """An If inside an If inside an If …"""
    condition = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    inner = helper.make_node("Identity", ["x"], ["y"])
    for level in range(depth):
        branch = helper.make_graph([inner], f"g{level}", [], [_value("y")], [condition])
        inner = helper.make_node("If", ["c"], ["y"], then_branch=branch)
    return [inner]


def _deep(levels: int) -> bytes:
    """Graphs in attributes of nodes of graphs, `levels` deep, on the wire: no library would write that."""
    data = b""
    for _ in range(levels):
        data = field(1, field(5, field(1, "a") + field(20, 5) + field(6, data)) + field(4, "If"))
    return field(1, 8) + field(7, data) + field(8, field(2, 13))


def _laughing(levels: int, calls: int = 9) -> Any:
    """Functions that each call the one below nine times: 9^levels nodes when a runtime unfolds them."""
    opset = [helper.make_opsetid("", 13), helper.make_opsetid("own", 1)]
    functions = [helper.make_function("own", "f0", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], opset)]
    for level in range(1, levels):
        names = ["a", *(f"t{n}" for n in range(calls - 1)), "b"]
        nodes = [helper.make_node(f"f{level - 1}", [start], [end], domain="own") for start, end in pairwise(names)]
        functions.append(helper.make_function("own", f"f{level}", ["a"], ["b"], nodes, opset))
    return _model([helper.make_node(f"f{levels - 1}", ["x"], ["y"], domain="own")], functions=functions)


def _calls_itself() -> Any:
    opset = [helper.make_opsetid("", 13), helper.make_opsetid("own", 1)]
    nodes = [helper.make_node("f", ["a"], ["b"], domain="own")]
    function = helper.make_function("own", "f", ["a"], ["b"], nodes, opset)
    return _model([helper.make_node("f", ["x"], ["y"], domain="own")], functions=[function])


def _huge_constant(shape: list[int]) -> Any:
    """A few bytes that a runtime folds into `shape` floats when it loads them."""
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["one"], keepdims=0),
        helper.make_node("Mul", ["x", "one"], ["y"]),
    ]
    return _model(nodes, constants=[helper.make_tensor("shape", TensorProto.INT64, [len(shape)], shape)])


def _lying_weights(dims: list[int], data: bytes = bytes(16)) -> Any:
    return _model(constants=[TensorProto(name="w", data_type=FLOAT, dims=dims, raw_data=data)])


def _named(name: str) -> Any:
    return _model([helper.make_node("Mul", [name, "w"], ["y"])], inputs=[_value(name)])


def _typed(kind: int) -> Any:
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=FLOAT)]
    return _model(nodes, inputs=[_value("x", kind)], constants=[])


def _sequence() -> Any:
    inputs = [helper.make_tensor_sequence_value_info("x", FLOAT, None)]
    nodes = [helper.make_node("ConcatFromSequence", ["x"], ["y"], axis=0)]
    return _model(nodes, inputs=inputs, constants=[])


def _wide(count: int) -> Any:
    inputs = [_value(f"x{n}") for n in range(count)]
    return _model([helper.make_node("Sum", [value.name for value in inputs], ["y"])], inputs=inputs, constants=[])


def _empty_nodes(count: int) -> bytes:
    graph = b"\x0a\x00" * count
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


def _chain(length: int) -> Any:
    names = ["x", *(f"t{n}" for n in range(length - 1)), "y"]
    return _model([helper.make_node("Nothing", [a], [b]) for a, b in pairwise(names)])


CUTS = {f"cut-in-section-{number}": _bytes(SOUND[: at + 1]) for number, at in _sections().items()} | {
    f"cut-before-section-{number}": _bytes(SOUND[:at]) for number, at in _sections().items() if at
}
CUTS |= {f"cut-at-{eighths}-eighths": _bytes(SOUND[: len(SOUND) * eighths // 8]) for eighths in range(1, 8)}

DAMAGE = {
    "LFS-pointer": _bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git LFS"),
    "text": _bytes(b"not a network\n" * 100),
    "noise": _bytes(random.Random(1).randbytes(10_000)),
    "zeros": _bytes(bytes(10_000)),
    "zip": _bytes(b"PK\3\4" + bytes(100)),
    "no-graph": _bytes(field(1, 8) + field(8, field(2, 13)), "no graph"),
    "no-opset": _bytes(field(1, 8) + field(7, b""), "no opset"),
    "length-of-2-GB": _bytes(field(1, 8) + b"\x3a" + varint(2**31 - 1) + b"x", "cut off"),
    "length-of-2^63": _bytes(field(1, 8) + b"\x3a" + varint(2**63) + b"x", "cut off"),
    "varint-without-end": _bytes(b"\xff" * 1000, "cut off"),
    "group-nesting": _bytes(b"\x0b" * 100_000, "cut off"),
    "graph-nesting": _made(lambda: _deep(2000), "cut off"),
    "10-MB-producer": _made(lambda: field(2, "x" * 10_000_000) + b"\xff", "cut off"),
}

UNFOLDING = {
    "functions-that-laugh": _made(lambda: _laughing(12), "nodes"),
    "function-that-calls-itself": _made(_calls_itself, "own.f"),
    "nested-branches": _made(lambda: _model(_nested(20), constants=[])),
    "constant-of-2-GB": _made(lambda: _huge_constant([2**29]), may_pass=True),
    "constant-of-terabytes": _made(lambda: _huge_constant([2**20, 2**20, 2**20]), may_pass=True),
    "constant-of-overflow": _made(lambda: _huge_constant([2**62, 2**62]), may_pass=True),
    "5-million-empty-nodes": _made(lambda: _empty_nodes(5_000_000)),
    "100000-unknown-nodes": _made(lambda: _chain(100_000)),
}

LIES = {
    "weights-of-terabytes": _made(lambda: _lying_weights([2**40])),
    "weights-that-overflow": _made(lambda: _lying_weights([2**33, 2**33])),
    "weights-below-zero": _made(lambda: _lying_weights([-1])),
    "weights-cut": _made(lambda: _lying_weights([4], bytes(3))),
    "weights-of-no-kind": _made(
        lambda: _model(constants=[TensorProto(name="w", data_type=99, dims=[1], raw_data=bytes(4))])
    ),
    "weights-in-two-places": _made(
        lambda: _model(
            constants=[TensorProto(name="w", data_type=FLOAT, dims=[1], raw_data=bytes(4), float_data=[1.0])]
        )
    ),
    "opset-of-the-future": _made(lambda: _model(opset=99), "opset", "99"),
    "opset-below-zero": _made(lambda: _model(opset=-1)),
    "IR-of-the-future": _made(lambda: _model(ir=99), "ir_version", "99"),
    "IR-0": _made(lambda: _model(ir=0)),
    "unknown-operator": _made(lambda: _model([helper.make_node("Nothing", ["x"], ["y"])]), "Nothing"),
    "operator-of-another-domain": _made(lambda: _model([helper.make_node("F", ["x"], ["y"], domain="own")])),
    "cycle": _made(lambda: _model([helper.make_node("Add", ["x", "y"], ["y"])])),
    "output-of-nothing": _made(lambda: _model(outputs=[_value("z")])),
    "input-twice": _made(lambda: _model(inputs=[_value("x"), _value("x")])),
    "no-input": _made(
        lambda: _model([helper.make_node("Identity", ["w"], ["y"])], inputs=[], outputs=[_value("y", FLOAT, [1])])
    ),
    "1001-inputs": _made(lambda: _wide(1001)),
    "rank-unknown": _made(lambda: _model(inputs=[_value("x", FLOAT, None)])),
    "bfloat16": _made(lambda: _typed(TensorProto.BFLOAT16), "bfloat16"),
    "complex": _made(
        lambda: _model(
            [helper.make_node("Identity", ["x"], ["y"])],
            inputs=[_value("x", TensorProto.COMPLEX64)],
            outputs=[_value("y", TensorProto.COMPLEX64)],
            constants=[],
        )
    ),
    "float8": _made(
        lambda: _model(
            [helper.make_node("Cast", ["x"], ["y"], to=FLOAT)],
            19,
            9,
            inputs=[_value("x", TensorProto.FLOAT8E4M3FN)],
            constants=[],
        ),
        "float8",
    ),
    "sequence": _made(_sequence, "seq"),
    "layer-with-control": _made(lambda: _named("a\x1b[2J\nb"), r"\x1b"),
    "layer-that-is-a-template": _made(lambda: _named("{{ var.value.x }}"), "{{"),
    "layer-of-300-characters": _made(lambda: _named("x" * 300), "256"),
    "layer-of-10-MB": _made(lambda: _named("x" * 10_000_000), "256"),
    "layer-without-name": _made(lambda: _named("")),
    "layer-not-UTF-8": _bytes(SOUND.replace(b"\x0a\x01x", b"\x0a\x01\xa9"), "UTF-8"),
    "axis-not-UTF-8": _bytes(SOUND.replace(b"batch", b"b\xfftch"), "UTF-8"),
}

EXTERNAL = {
    "outside": _outside("../w.bin", "leaves its folder"),
    "far-outside": _outside("../../../../etc/passwd", "leaves its folder"),
    "absolute": _outside("/etc/passwd", "not a relative path"),
    "no-name": _outside("", "not a relative path"),
    "nowhere": _outside(None, "not a relative path"),
    "control": _outside("a\x07b", "characters"),
    "template": _outside("{{ x }}"),
    "absent": Case(_external("v.bin"), "v.bin", ("is missing",)),
    "linked": Case(_linked, "w.bin", ("symbolic link",)),
    "empty": Case(_external("w.bin", 0), "w.bin", ("is empty",)),
    "marker": Case(_weights_in_the_marker, MARKER, ("marks that the upload is whole",)),
    "short": _outside("w.bin", "16", size=15),
    "length-too-large": _outside("w.bin", "length", length="4096"),
    "length-too-small": _outside("w.bin", "length", length="4"),
    "length-below-zero": _outside("w.bin", "length", length="-16"),
    "length-in-words": _outside("w.bin", "length", length="all"),
    "offset-behind-the-end": _outside("w.bin", "offset", offset="4096"),
    "offset-below-zero": _outside("w.bin", "offset", offset="-4"),
    "offset-that-overflows": _outside("w.bin", "offset", offset=str(2**64 - 8)),
    "offset-of-10000-digits": _outside("w.bin", "offset", offset="9" * 10_000),
    "offset-in-the-middle": _outside("w.bin", "offset", offset="4"),
    "shape-of-thousands-of-digits": Case(
        _external("w.bin", 16, {"length": "16"}, (2**62,) * 300),
        NAME,
        ("external data of 'w'", "bytes of them at most"),
    ),
    "shape-just-too-large": Case(_external("w.bin", 16, None, (2**31, 2**31)), NAME, ("bytes of them at most",)),
    "shape-of-2-EB": Case(_external("w.bin", 16, None, (2**29, 2**30)), NAME, (str(2**61),)),
    "not-UTF-8": _made(lambda: _external_bytes().replace(b"w.bin", b"w.\xffin"), "UTF-8"),
}


CASES = {
    **CUTS,
    **DAMAGE,
    **UNFOLDING,
    **LIES,
    **{f"external-{name}": case for name, case in EXTERNAL.items()},
    **{f"flip-{seed}": Case(onnx_file(flipped(SOUND, seed, bits=2)), NAME, may_pass=True) for seed in range(15)},
}
