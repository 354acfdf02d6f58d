"""The static check of an upload: everything that can be said without a server. Runs inside the sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seatrial.errors import UploadRefused
from seatrial.formats import onnx, savedmodel, tensorrt
from seatrial.formats.facts import FormatFacts
from seatrial.formats.layers import public_signature, scalars
from seatrial.formats.mlflow_claims import mlflow_findings
from seatrial.formats.report import CheckReport
from seatrial.formats.sandbox import SandboxLimits, narrow
from seatrial.formats.weights import weights_of
from seatrial.served_model import Format, ServedModel
from seatrial.settings import TreeLimits
from seatrial.storage.listings import tree_digest
from seatrial.storage.paths import TEMPLATE_MARKS
from seatrial.tensors import Signature, TensorSpec
from seatrial.uploads.comparison_fit import check_outputs
from seatrial.uploads.declaration import Declaration, declaring_file, read_declaration
from seatrial.uploads.samples import check_sizes, each_sample
from seatrial.uploads.tree import MARKER, Tree, changed

INSPECT: dict[Format, Callable[[Path, str], FormatFacts]] = {
    "onnx": onnx.inspect,
    "savedmodel": savedmodel.inspect,
    "tensorrt": tensorrt.inspect,
}
LONGEST_NAME = 256
MOST_LAYERS = 1000


def check(arguments: dict[str, Any], reading: Callable[[str], None]) -> dict[str, Any]:
    """The sandbox's task "check": folder and limits as `check_upload` sends them → a CheckReport as JSON."""
    reading(".")
    tree = Tree.of(Path(arguments["folder"]), TreeLimits(arguments["max_files"], arguments["max_bytes"]))
    narrow(sum(tree.sizes.values()), SandboxLimits(**arguments["sandbox"]))
    return check_folder(tree, reading, arguments["upload"]).model_dump(mode="json")


def own_signature(arguments: dict[str, Any], reading: Callable[[str], None]) -> dict[str, Any]:
    """The sandbox's task "signature": `{"folder", "format", "model_file"}` → the signature by the file's own names,
    empty for a TensorRT plan, which hides it, and `files`: the paths in the folder that the model is of."""
    reading(arguments["model_file"])
    facts = INSPECT[arguments["format"]](Path(arguments["folder"]), arguments["model_file"])
    return {**(facts.signature or Signature((), ())).to_dict(), "files": facts.files}


def check_folder(tree: Tree, reading: Callable[[str], None], upload: str = "") -> CheckReport:
    """Check an upload that was listed just now; `reading` is told of each file before it is parsed.

    Raises UploadRefused, also for what changed since it was listed. `upload` is its path below its root, if that is not
    the folder's name.
    """
    started = time.monotonic()
    reading(declaring_file(tree.files))
    declared = read_declaration(tree.folder, upload)
    manifest = declared.manifest
    check_sizes(tree.sizes, manifest.samples)
    reading(manifest.model_file)
    facts = INSPECT[manifest.format](tree.folder, manifest.model_file)  # before gigabytes are read for their digests
    for path in facts.files:
        if path == MARKER:
            raise UploadRefused("marks that the upload is whole: it is no file of a model", file=path)
        if path not in tree.files:
            raise changed(path)
    files = tree.digests()
    served = _served(declared, facts, files)
    if facts.signature is not None:
        check_outputs(manifest.comparison.outputs, served.signature, declared.file)
        reading(manifest.samples[0])
        for sample, following in zip(
            each_sample(tree.folder, manifest.samples, served), (*manifest.samples[1:], "."), strict=True
        ):
            assert sample.name in files
            reading(following)
    tree.check_unchanged()
    claimed = mlflow_findings(declared.mlflow, facts) if declared.mlflow else ()
    return CheckReport(
        manifest=manifest,
        served=served,
        tree_digest=tree_digest(files),
        files=files,
        sample_names=manifest.samples,
        findings=(*facts.findings, *claimed),
        runtime=facts.runtime,
        weights=weights_of(facts.weights, files),
        seconds=round(time.monotonic() - started, 3),
    )


def _served(declared: Declaration, facts: FormatFacts, files: dict[str, str]) -> ServedModel:
    manifest = declared.manifest
    signature, layers = Signature((), ()), dict(manifest.layers)
    bare: tuple[str, ...] = ()
    if facts.signature is not None:
        for specs in (facts.signature.inputs, facts.signature.outputs):
            _check_layers(manifest.model_file, specs)
        signature, layers = public_signature(facts.signature, manifest.layers, declared.file)
        bare = scalars(facts.signature, layers)
    return ServedModel(
        name=manifest.name,
        version=1,
        format=manifest.format,
        main_file=manifest.model_file,
        files={path: files[path] for path in facts.files},
        signature=signature,
        layers=layers,
        scalars=bare,
    )


def _check_layers(file: str, specs: tuple[TensorSpec, ...]) -> None:
    """Tensor names go into configurations, logs and pages: they must be short, printable lines."""
    if not 1 <= len(specs) <= MOST_LAYERS:
        raise UploadRefused("layers are there", file=file, value=len(specs), limit=f"1 to {MOST_LAYERS} a side")
    for spec in specs:
        template = any(mark in spec.name for mark in TEMPLATE_MARKS)
        if template or not spec.name.isprintable() or not 1 <= len(spec.name) <= LONGEST_NAME:
            limit = f"1 to {LONGEST_NAME} printable characters, no template"
            raise UploadRefused("cannot be a layer name", file=file, field="tensor", value=spec.name, limit=limit)
