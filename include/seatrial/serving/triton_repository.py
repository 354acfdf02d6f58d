"""Triton's model repository for one replica: one model, one version, a config.pbtxt that leaves nothing to guess."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving.inference_http import raw_bytes
from seatrial.storage.paths import path_flaw
from seatrial.tensors import DTYPES, Tensors, TensorSpec, dtype_name

CopyFiles = Callable[[Mapping[str, str], Path], None]
"""Copies files (path → SHA-256 digest) into a folder and verifies each digest; `ArtifactStore.copy_to` is one."""

RUNTIMES = {"onnx": "onnxruntime", "savedmodel": "openvino"}
"""What runs a format inside the python backend. OpenVINO reads a SavedModel without TensorFlow."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def runtime_of(served: ServedModel, option: HardwareOption) -> str:
    """The runtime that serves a format on a hardware option. Raises Refused where there is none."""
    runtime = RUNTIMES.get(served.format)
    if runtime is None or option.device != "cpu":
        raise Refused(
            f"{served.name} {served.version}: no runtime of the local Inference Server runs {served.format} "
            f"on {option.device} (it runs {' and '.join(RUNTIMES)} on cpu)",
            format=served.format,
            option=option.name,
        )
    return runtime


def config_pbtxt(served: ServedModel, option: HardwareOption, warmup: Tensors | None = None) -> str:
    """The text of config.pbtxt. With `warmup`, Triton runs it on every instance before it calls the model ready.

    Dimensions are the signature's own, batch dimension included, so max_batch_size is 0. Raises Refused for a model
    that cannot be served: an unknown format, device or dtype, a scalar layer, a name that cannot be a folder's.
    """
    _check_names(served)
    parameters = {
        "runtime": runtime_of(served, option),
        "main_file": served.main_file,
        "layers": served.layers,
        "threads": option.threads,
    }
    lines = [
        f"name: {_quoted(served.name)}",
        'backend: "python"',
        "max_batch_size: 0",
        *(line for spec in served.signature.inputs for line in _layer("input", spec)),
        *(line for spec in served.signature.outputs for line in _layer("output", spec)),
        f"instance_group [ {{ kind: KIND_CPU count: {option.instances} }} ]",
        f"version_policy {{ specific {{ versions: {served.version} }} }}",
        "parameters {",
        '  key: "seatrial"',
        f"  value {{ string_value: {_quoted(json.dumps(parameters, sort_keys=True))} }}",
        "}",
        *(_warmup(warmup) if warmup else ()),
    ]
    return "\n".join(lines) + "\n"


def write_repository(
    folder: Path, served: ServedModel, option: HardwareOption, copy_files: CopyFiles, warmup: Tensors | None = None
) -> None:
    """Write `<folder>/<name>/…`: configuration, our model.py, the model's files, and the warm-up tensors.

    What stood in `folder` is removed first, so a second call leaves the same. Errors of `copy_files` go through.
    """
    config = config_pbtxt(served, option, warmup)
    _check_files(served)
    shutil.rmtree(folder, ignore_errors=True)
    model = folder / served.name
    version = model / str(served.version)
    version.mkdir(parents=True)
    copy_files(served.files, version / "files")
    (version / "model.py").write_bytes((resources.files("seatrial.serving") / "runtime" / "model.py").read_bytes())
    (model / "config.pbtxt").write_text(config)
    for index, array in enumerate((warmup or {}).values()):
        (model / "warmup").mkdir(exist_ok=True)
        (model / "warmup" / str(index)).write_bytes(raw_bytes(array))


def _check_names(served: ServedModel) -> None:
    if not _NAME.fullmatch(served.name):
        raise Refused(f"model name {served.name[:80]!r} cannot name a folder (limit: {_NAME.pattern})")
    for spec in (*served.signature.inputs, *served.signature.outputs):
        if spec.dtype not in DTYPES:
            raise Refused(f"layer {spec.name[:80]!r}: no dtype {spec.dtype[:80]!r} (limit: {', '.join(DTYPES)})")
        if not spec.shape:
            raise Refused(f"layer {spec.name!r}: {spec} is a scalar; Triton's tensors have at least one dimension")


def _check_files(served: ServedModel) -> None:
    for path in served.files:
        flaw = path_flaw(path)
        if flaw:
            raise Refused(f"{served.name} {served.version}: file {path[:80]!r} {flaw}")
    main = served.main_file
    if main not in served.files and not any(path.startswith(f"{main}/") for path in served.files):
        raise Refused(f"{served.name} {served.version}: {main!r} is not among its files ({', '.join(served.files)})")


def _layer(side: str, spec: TensorSpec) -> list[str]:
    return [
        f"{side} {{",
        f"  name: {_quoted(spec.name)}",
        f"  data_type: {_type(spec.dtype)}",
        f"  dims: {list(spec.shape)}",
        "}",
    ]


def _warmup(tensors: Tensors) -> list[str]:
    inputs = [
        f"  inputs {{ key: {_quoted(name)} value {{ data_type: {_type(dtype_name(array))} "
        f'dims: {list(array.shape)} input_data_file: "{index}" }} }}'
        for index, (name, array) in enumerate(tensors.items())
    ]
    return ["model_warmup {", '  name: "sample"', "  batch_size: 0", "  count: 1", *inputs, "}"]


def _type(dtype: str) -> str:
    return "TYPE_STRING" if dtype == "BYTES" else f"TYPE_{dtype}"


def _quoted(text: str) -> str:
    """A string literal of protobuf's text format: every byte that is not plain ASCII as an octal escape."""
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(plain)}"'
