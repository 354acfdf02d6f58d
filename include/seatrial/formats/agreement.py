"""Whether a check report agrees with its upload (pure): all that can be told without parsing the model file again."""

from __future__ import annotations

from typing import Any

from seatrial.errors import Refused
from seatrial.formats.report import CheckReport
from seatrial.storage.listings import tree_digest
from seatrial.uploads.declaration import declaring_file
from seatrial.uploads.manifest import Manifest


def check_report(report: CheckReport, model: str) -> None:
    """Raise Refused, naming the report's field, unless the report is of `model` and agrees with itself."""
    manifest, served, files = report.manifest, report.served, report.files
    _same("manifest.name", manifest.name, model)
    _same("tree_digest", report.tree_digest, tree_digest(files))
    _same("sample_names", report.sample_names, manifest.samples)
    _same("served.name", served.name, manifest.name)
    _same("served.version", served.version, 1)
    _same("served.format", served.format, manifest.format)
    _same("served.main_file", served.main_file, manifest.model_file)
    for path in (declaring_file(files), *manifest.samples):
        if path not in files:
            raise _refused("files", sorted(files), f"{path} among them")
    for path, digest in served.files.items():
        _same(f"served.files.{path}", digest, files.get(path))
    if not any(path == served.main_file or path.startswith(f"{served.main_file}/") for path in served.files):
        raise _refused("served.files", sorted(served.files), f"{served.main_file} among them")
    _check_layers(report)


def check_manifest(report: CheckReport, manifest: Manifest) -> None:
    """Raise Refused unless the report has the upload's own `manifest`."""
    for name in Manifest.model_fields:
        _same(f"manifest.{name}", getattr(report.manifest, name), getattr(manifest, name))


def _check_layers(report: CheckReport) -> None:
    served = report.served
    for name, own in report.manifest.layers.items():
        _same(f"served.layers.{name}", served.layers.get(name), own)
    layers = [spec.name for spec in (*served.signature.inputs, *served.signature.outputs)]
    if layers or served.format != "tensorrt":  # a plan hides its layers until it is loaded
        _same("served.signature", sorted(layers), sorted(served.layers))


def _same(field: str, said: Any, expected: Any) -> None:
    if said != expected:
        raise _refused(field, said, expected)


def _refused(field: str, said: Any, expected: Any) -> Refused:
    shown = [text if len(text) <= 120 else f"{text[:120]}…" for text in (repr(said), repr(expected))]
    return Refused(
        f"report.{field}: {shown[0]} does not agree with the upload (limit: {shown[1]})",
        field=f"report.{field}",
        value=shown[0],
        limit=shown[1],
    )
