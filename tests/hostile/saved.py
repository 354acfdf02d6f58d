"""SavedModels: cut, damaged, with operators that run code or read files, and variables that are not there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from seatrial.client.fields import varint
from tests.hostile.case import Build, Case, flipped, saved_model_file, sound_saved_model
from tests.saved_models import (
    TINY_SIGNATURE,
    Shard,
    field,
    meta_graph,
    node,
    nodes,
    saved_model,
    signature,
    tensor_info,
    variables_index,
    write_variables,
)

FOLDER = "saved_model"
NAME = f"{FOLDER}/saved_model.pb"
INDEX = f"{FOLDER}/variables/variables.index"
SHARD = f"{FOLDER}/variables/variables.data-00000-of-00001"
SOUND = saved_model()
X, Y = {"x": tensor_info("x:0")}, {"y": tensor_info("y:0")}


def _bytes(data: bytes, *says: str, file: str = NAME) -> Case:
    return Case(saved_model_file(data), file, says)


def _made(make: Callable[[], bytes], *says: str) -> Case:
    return Case(lambda folder: saved_model_file(make())(folder), NAME, says)


def _graph(*says: str, **parts: Any) -> Case:
    return _bytes(saved_model(meta_graph(**parts)), *says)


def _layers(inputs: dict[str, bytes], *says: str, outputs: dict[str, bytes] | None = None, file: str = NAME) -> Case:
    data = saved_model(meta_graph({"serving_default": signature(inputs, Y if outputs is None else outputs)}))
    return _bytes(data, *says, file=file)


def _op(name: str) -> Case:
    return _graph(name, "z", graph=[*nodes(), node("z", name)])


def _function(name: str) -> bytes:
    """A library with one function, which has a node of the operator `name`."""
    return field(1, field(1, field(1, "inner")) + field(3, node("z", name)))


def _in_a_function(name: str) -> Case:
    definition = b"".join(field(1, each) for each in nodes()) + field(2, _function(name))
    graph = meta_graph() + field(2, definition)
    return _bytes(saved_model(graph), name, "inner")


def _asset(path: str) -> bytes:
    return field(6, field(1, field(1, "vocabulary:0")) + field(2, path))


def _variables(tensors: Iterable[Shard], *says: str, sizes: Iterable[int] = (16,), file: str = INDEX) -> Case:
    lengths = list(sizes)
    return Case(lambda folder: write_variables(sound_saved_model(folder) / FOLDER, tensors, lengths), file, says)


def _index(data: bytes, *says: str) -> Case:
    def build(folder: Path) -> None:
        write_variables(sound_saved_model(folder) / FOLDER, [("a", 0, 0, 16)], [16])
        (folder / INDEX).write_bytes(data)

    return Case(build, INDEX, says)


def _without(name: str) -> Build:
    def build(folder: Path) -> None:
        write_variables(sound_saved_model(folder) / FOLDER, [("a", 0, 0, 16), ("b", 1, 0, 16)], [16, 16])
        (folder / FOLDER / "variables" / name).unlink()

    return build


def _file_instead(folder: Path) -> None:
    (sound_saved_model(folder) / NAME).unlink()
    (folder / FOLDER).rmdir()
    (folder / FOLDER).write_bytes(SOUND)


CUTS = {f"cut-at-{eighths}-eighths": _bytes(SOUND[: len(SOUND) * eighths // 8]) for eighths in range(1, 8)}
CUTS |= {f"cut-at-{at}": _bytes(SOUND[:at]) for at in (1, 2, 3, 5, len(SOUND) - 1)}

DAMAGE = {
    "empty": _bytes(b"", "is empty"),
    "LFS-pointer": _bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git LFS"),
    "text": _bytes(b"not a network\n" * 100),
    "noise": _bytes(random.Random(2).randbytes(10_000)),
    "zeros": _bytes(bytes(1000)),
    "absent": Case(lambda folder: (sound_saved_model(folder) / NAME).unlink(), NAME, ("is missing",)),
    "file-instead": Case(_file_instead, NAME, ()),
    "group-nesting": _bytes(b"\x0b" * 100_000, "cut off"),
    "length-of-2-GB": _bytes(b"\x12" + varint(2**31 - 1) + b"x", "cut off"),
    "no-graph": _bytes(field(1, 1), "exactly one"),
    "two-graphs": _bytes(saved_model(meta_graph(), meta_graph()), "exactly one"),
    "graph-for-training": _bytes(saved_model(meta_graph(tags=["train"]), meta_graph(tags=["eval"])), "exactly one"),
    "5-million-empty-nodes": _made(lambda: saved_model(meta_graph(more=field(2, b"\x0a\x00" * 5_000_000))), "nodes"),
    "100000-signatures": _made(lambda: saved_model(meta_graph({f"s{n}": b"" for n in range(100_000)})), "signatures"),
    "node-of-nothing": _graph(graph=[]),
    "cycle": _graph(graph=[*nodes()[:2], node("y", "Mul", ("y", "two"), {"T": field(6, 1)})]),
    "unknown-operator": _graph("operations: Nothing", graph=[nodes()[0], node("y", "Nothing", ("x",))]),
}

SIGNATURES = {
    "no-signature": _graph("signatures", signatures={}),
    "two-signatures": _graph("signatures", "serving_default", signatures={"a": TINY_SIGNATURE, "b": TINY_SIGNATURE}),
    "no-inputs": _layers({}, "serving_default.inputs"),
    "no-outputs": _layers(X, "serving_default.outputs", outputs={}),
    "complex": _layers({"x": tensor_info("x:0", dtype=8)}, "dtype 8"),
    "resource": _layers({"x": tensor_info("x:0", dtype=20)}, "dtype 20"),
    "kind-below-zero": _layers({"x": tensor_info("x:0", dtype=-1)}, "dtype -1"),
    "sparse": _layers({"x": field(4, b"")}, "sparse"),
    "rank-unknown": _layers({"x": field(1, "x:0") + field(2, 1) + field(3, field(3, 1))}, "dimensions"),
    "1001-inputs": _layers({f"x{n}": tensor_info("x:0") for n in range(1001)}),
    "layer-of-nothing": _layers({"x": tensor_info("nothing:0")}),
    "layer-with-control": _layers({"a\x1b[2J": tensor_info("x:0")}, file=FOLDER),
    "layer-that-is-a-template": _layers({"{{ x }}": tensor_info("x:0")}, "{{", file=FOLDER),
    "layer-without-name": _layers({"": tensor_info("x:0")}, file=FOLDER),
    "layer-of-300-characters": _layers({"x" * 300: tensor_info("x:0")}, file=FOLDER),
    "layer-of-10-MB": Case(
        lambda folder: saved_model_file(
            saved_model(meta_graph({"serving_default": signature({"x" * 10_000_000: tensor_info("x:0")}, Y)}))
        )(folder),
        FOLDER,
        ("256",),
    ),
    "one-name-on-both-sides": _layers(X, outputs={"x": tensor_info("y:0")}),
}

OPERATORS = ("PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "MatchingFiles", "TFRecordDataset")

OPS = {f"operator-{name}": _op(name) for name in OPERATORS}
OPS |= {f"operator-in-a-function-{name}": _in_a_function(name) for name in ("PyFunc", "WriteFile")}

ASSETS = {
    "outside": _graph("asset", "../../etc/passwd", more=_asset("../../etc/passwd")),
    "absolute": _graph("asset", "/etc/passwd", more=_asset("/etc/passwd")),
    "without-name": _graph("asset", more=_asset("")),
    "template": _graph("asset", more=_asset("{{ x }}")),
    "absent": _bytes(
        saved_model(meta_graph(more=_asset("words.txt"))), "is missing", file=f"{FOLDER}/assets/words.txt"
    ),
}

ONE: list[Shard] = [("a", 0, 0, 16)]
SOUND_INDEX = variables_index(ONE)

VARIABLES = {
    "index-absent": Case(_without("variables.index"), INDEX, ("is missing",)),
    "shard-absent": Case(
        _without("variables.data-00001-of-00002"), f"{FOLDER}/variables/variables.data-00001-of-00002", ("is missing",)
    ),
    "first-shard-absent": Case(
        _without("variables.data-00000-of-00002"), f"{FOLDER}/variables/variables.data-00000-of-00002", ("is missing",)
    ),
    "shard-cut": _variables([("a", 0, 0, 16), ("b", 0, 16, 16)], "31", sizes=(31,), file=SHARD),
    "shard-empty": _variables(ONE, "0", sizes=(0,), file=SHARD),
    "tensor-behind-the-end": _variables([("a", 0, 2**40, 16)], file=SHARD),
    "tensor-below-zero": _variables([("a", 0, -16, 16)], "'a'"),
    "size-below-zero": _variables([("a", 0, 0, -16)], "'a'"),
    "tensor-of-another-shard": _variables([("a", 7, 0, 16)], "'a'", "shard"),
    "more-shards-said": _index(variables_index(ONE, shards=5), "shards"),
    "million-shards-said": _index(variables_index(ONE, shards=10**6), "shards"),
    "index-empty": _index(b"", "variables"),
    "index-of-text": _index(b"not an index\n" * 10, "table"),
    "index-of-zeros": _index(bytes(1000), "table"),
    **{
        f"index-cut-at-{at}": _index(SOUND_INDEX[:at], "table")
        for at in (1, 20, 47, len(SOUND_INDEX) - 49, len(SOUND_INDEX) - 1)
    },
    "index-without-its-start": _index(SOUND_INDEX[7:], "table"),
    "index-handle-behind-the-end": _index(
        SOUND_INDEX[:-48] + varint(0) + varint(8) + varint(2**40) + varint(2**40) + SOUND_INDEX[-36:], "table"
    ),
    "index-that-points-at-itself": _index(
        SOUND_INDEX[:-48] + (varint(0) * 4).ljust(40, b"\0") + SOUND_INDEX[-8:], "table"
    ),
}


def _flipped(seed: int, data: bytes, case: Callable[[bytes], Case]) -> Case:
    made = case(flipped(data, seed, bits=2))
    return Case(made.build, made.file, may_pass=True)


CASES = {
    **CUTS,
    **DAMAGE,
    **SIGNATURES,
    **OPS,
    **{f"asset-{name}": case for name, case in ASSETS.items()},
    **{f"variables-{name}": case for name, case in VARIABLES.items()},
    **{f"flip-{seed}": _flipped(seed, SOUND, _bytes) for seed in range(10)},
    **{f"flip-of-the-index-{seed}": _flipped(seed, SOUND_INDEX, _index) for seed in range(5)},
}
