"""MLflow's folders: an MLmodel that multiplies or points elsewhere, loaders that would run, examples that never end."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from seatrial.uploads.mlflow import MLMODEL
from tests.hostile.archives import Runs
from tests.hostile.case import Build, Case, flipped
from tests.hostile.manifests import LAUGHS
from tests.models import tiny_onnx

EXAMPLE = "input_example.json"
MIB = 2**20
SOUND: dict[str, Any] = {
    "flavors": {
        "onnx": {"data": "model.onnx"},
        "python_function": {"loader_module": "runs", "data": "python_model.pkl", "env": {"conda": "conda.yaml"}},
    },
    "saved_input_example_info": {"artifact_path": EXAMPLE, "type": "ndarray"},
    "metadata": {"seatrial": {"name": "tiny", "objective": {"latency_ms": 200.0}}},
    "run_id": "fe1ec4881dcb4bd2851f95f3e75d0aca",
}
ROW = b'{"x": [[1, 2, 3, 4]]}'


def sound(folder: Path, mlmodel: bytes | None = None, example: bytes = ROW) -> Path:
    """A folder as MLflow writes it, with what would leave a file `ran` if it were ever loaded."""
    tiny_onnx(folder / "model.onnx")
    (folder / MLMODEL).write_bytes(yaml.safe_dump(SOUND).encode() if mlmodel is None else mlmodel)
    (folder / EXAMPLE).write_bytes(example)
    (folder / "python_model.pkl").write_bytes(pickle.dumps(Runs()))
    (folder / "runs.py").write_text("open('ran', 'w')\n")
    (folder / "conda.yaml").write_text("a: &a [x]\nb: !!python/object/apply:os.system ['touch ran']\n")
    return folder


def _mlmodel(data: bytes, *says: str) -> Case:
    return Case(lambda folder: sound(folder, data), MLMODEL, says)


def _entries(*says: str, **entries: Any) -> Case:
    return _mlmodel(yaml.safe_dump(SOUND | entries).encode(), *says)


def _own(*says: str, **own: Any) -> Case:
    return _entries(*says, metadata={"seatrial": SOUND["metadata"]["seatrial"] | own})


def _example(data: bytes, *says: str, file: str = EXAMPLE) -> Case:
    return Case(lambda folder: sound(folder, None, data), file, says)


def _made(make: Callable[[], bytes], *says: str) -> Case:
    """What is large is made when its turn comes."""
    return Case(lambda folder: sound(folder, None, make()), EXAMPLE, says)


def _of(document: Any, *says: str) -> Case:
    return _example(json.dumps(document).encode(), *says)


def _removed(*names: str) -> Build:
    def build(folder: Path) -> None:
        for name in names:
            (sound(folder) / name).unlink()

    return build


def _linked(name: str) -> Build:
    def build(folder: Path) -> None:
        path = sound(folder) / name
        path.rename(folder.parent / "outside")
        path.symlink_to(folder.parent / "outside")

    return build


MLMODELS = {
    "laughs": _mlmodel(LAUGHS.encode(), "anchor or alias"),
    "code": _mlmodel(b"flavors: !!python/object/apply:os.system ['touch ran']\n", "YAML tag"),
    "nests": _mlmodel(b"flavors: " + b"[" * 100_000, "nests too deep"),
    "10-MB": _mlmodel(b"flavors: {onnx: {data: " + b"a" * 10 * MIB + b"}}\n", "bytes are too many"),
    "many-nodes": _mlmodel(b"flavors: [" + b"1," * 100_000 + b"]\n", "too many nodes"),
    "integer-without-end": _mlmodel(b"run_id: 0x" + b"f" * 16_000 + b"\n", "64000 bits"),
    "zeros": _mlmodel(bytes(1000), "not valid YAML"),
    "empty": _mlmodel(b"", "not a mapping"),
    "list": _mlmodel(b"- onnx\n", "not a mapping"),
    "no-flavor": _entries("neither ONNX", flavors={}),
    "pickle-only": _entries("python_function", flavors={"python_function": {"data": "python_model.pkl"}}),
    "flavors-of-control": _entries(r"\x1b", flavors={"\x1b[2J": {"data": "x"}}),
    "data-outside": _entries("model_file", "leaves", flavors={"onnx": {"data": "../../etc/passwd"}}),
    "data-absolute": _entries("model_file", "relative", flavors={"onnx": {"data": "/etc/passwd"}}),
    "data-option": _entries("model_file", flavors={"onnx": {"data": "-rf"}}),
    "data-template": _entries("model_file", "template", flavors={"onnx": {"data": "{{ conf }}.onnx"}}),
    "data-is-a-number": _entries("neither ONNX", flavors={"onnx": {"data": 5}}),
    "saved-model-outside": _entries("model_file", flavors={"tensorflow": {"saved_model_dir": "data/../.."}}),
    "keras-outside": _entries("model_file", flavors={"tensorflow": {"data": "..", "save_format": "tf"}}),
    "saved-model-is-all": _entries("model_file", flavors={"tensorflow": {"saved_model_dir": "."}}),
    "example-outside": _entries("samples", "leaves", saved_input_example_info={"artifact_path": "../a.json"}),
    "example-absolute": _entries(
        "samples", "relative", saved_input_example_info={"artifact_path": "/proc/self/environ"}
    ),
    "example-pickled": _entries("samples", saved_input_example_info={"artifact_path": "python_model.pkl"}),
    "example-template": _entries("samples", saved_input_example_info={"artifact_path": "{{ x }}.json"}),
    "example-list": _entries("samples", saved_input_example_info={"artifact_path": ["a.json"]}),
    "example-table": _entries("dataframe", saved_input_example_info={"artifact_path": EXAMPLE, "type": "dataframe"}),
    "no-example": _entries("input_example=", saved_input_example_info=None),
    "own-text": _entries("metadata.seatrial", metadata={"seatrial": "name: tiny"}),
    "own-name-outside": _own("name", name="../x"),
    "own-name-template": _own("name", name="{{ conf.name }}"),
    "own-name-option": _own("name", name="-rf"),
    "own-name-10-kB": _own("name", name="a" * 10_000),
    "own-unknown": _own("objektive", objektive={"latency_ms": 1.0}),
    "own-objective": _own("objective.latency_ms", objective={"latency_ms": float("nan")}),
    "own-file-outside": _own("model_file", model_file="../model.onnx"),
    "own-tag-of-control": _own("tags", tags={"a": "\x1b[2J"}),
    "own-layer-unknown": _own("layers.audio", layers={"audio": "z"}),
}

EXAMPLES = {
    "empty": _example(b"", "cannot be read"),
    "cut": _example(ROW[:-3], "cannot be read"),
    "pickle-instead": _example(pickle.dumps(Runs()), "cannot be read"),
    "no-text": _example(b"\xff\xfe\xfd", "cannot be read"),
    "nests-a-million": _example(b"[" * 10**6, "levels deep"),
    "nests-and-closes": _example(b"[" * 10**6 + b"]" * 10**6, "levels deep"),
    "objects-nest": _example(b'{"x":' * 10**5 + b"1" + b"}" * 10**5, "levels deep"),
    "nan": _example(b'{"x": [[1, 2, 3, NaN]]}', "NaN"),
    "infinity": _example(b'{"x": [[1, 2, 3, -Infinity]]}', "-Infinity"),
    "more-than-a-float": _example(b'{"x": [[1, 2, 3, 1e999]]}', "1e999"),
    "more-than-fp32": _of({"x": [[1, 2, 3, 1e300]]}, "does not fit"),
    "integer-without-end": _example(b'{"x": [[1, 2, 3, ' + b"9" * 10**6 + b"]]}", "cannot be read"),
    "null": _of({"x": [[1, 2, 3, None]]}, "does not fit"),
    "text": _of({"x": [["1", "2", "3", "4"]]}, "does not fit"),
    "one-long-text": _of({"x": [["a" * 10**6] + [1] * 10**5]}, "does not fit"),
    "rows-of-two-lengths": _of({"x": [[1, 2, 3, 4], [1]]}, "does not fit"),
    "rank-1": _of({"x": [1, 2, 3, 4]}, "x", "FP32[4]"),
    "another-width": _of({"x": [[1, 2, 3, 4, 5]]}, "x", "FP32[1,5]"),
    "no-rows": _of({"x": []}, "x"),
    "another-layer": _of({"z": [[1, 2, 3, 4]]}, "z"),
    "layer-too-many": _of({"x": [[1, 2, 3, 4]], "z": 1}, "z"),
    "layer-of-control": _of({"\x1b[2J\n": [1]}, r"\x1b"),
    "layer-twice": _example(b'{"x": [[1, 2, 3]], "x": [[1]]}', "x"),
    "table": _of({"columns": ["x"], "data": [[1, 2, 3, 4]]}, "columns"),
    "million-objects": _made(lambda: b"[" + b"{}," * 10**6 + b"{}]", "does not fit"),
    "24-MB-of-objects": _made(lambda: b"[" + b"{}," * (8 * MIB - 9) + b"{}]", "too many lists"),
    "24-MB-of-lists": _made(lambda: b"[" + b"[]," * (8 * MIB - 9) + b"[]]", "too many lists"),
    "40-MB": _made(lambda: b'{"x": [' + b"0," * (20 * MIB) + b"0]}", "too large"),
}

TREES = {
    "no-model": Case(_removed("model.onnx"), "model.onnx", ("is missing",)),
    "no-example-file": Case(_removed(EXAMPLE), EXAMPLE, ("is missing",)),
    "mlmodel-linked": Case(_linked(MLMODEL), MLMODEL, ("symbolic link",)),
    "example-linked": Case(_linked(EXAMPLE), EXAMPLE, ("symbolic link",)),
}

CASES = {
    **{f"mlmodel-{name}": case for name, case in MLMODELS.items()},
    **{f"example-{name}": case for name, case in EXAMPLES.items()},
    **TREES,
    **{
        f"flip-{seed}": Case(
            lambda folder, seed=seed: sound(folder, flipped(yaml.safe_dump(SOUND).encode(), seed, bits=3)),  # type: ignore[misc]
            MLMODEL,
            may_pass=True,
        )
        for seed in range(10)
    },
}
