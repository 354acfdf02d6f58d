"""Makes the folder that is uploaded: the model's files, samples, and a manifest that explains itself."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seatrial.errors import Conflict, Refused
from seatrial.formats.check import CheckLimits, CheckReport, check_upload, model_facts
from seatrial.formats.layers import public_signature
from seatrial.served_model import Format
from seatrial.settings import TreeLimits
from seatrial.storage.local import atomic_write
from seatrial.storage.paths import copy_beneath, path_flaw
from seatrial.tensors import Signature, Tensors, to_npz
from seatrial.uploads.manifest import DEFAULT_FILES, MANIFEST, manifest_of, parse_manifest
from seatrial.uploads.manifest_template import manifest_template
from seatrial.uploads.model_files import find_model, name_of
from seatrial.uploads.tree import Tree

ReadSamples = Callable[[Signature], Iterable[tuple[str, Tensors]]]
"""Samples, each with what to call it, for a model with this signature by public names; no layers: it is not known."""


@dataclass(frozen=True)
class Packing:
    """What to pack. `entries` are the manifest's that only a person knows; `name` is found out where it is None. The
    folder is within `limits`."""

    model: Path
    read_samples: ReadSamples
    entries: Mapping[str, Any]
    limits: TreeLimits
    name: str | None = None
    layers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Packed:
    """`signature` by public names, without layers for a TensorRT plan; `report` where the folder was checked."""

    folder: Path
    name: str
    format: Format
    signature: Signature
    samples: tuple[str, ...]
    report: CheckReport | None


def pack(packing: Packing, to: Path, *, check: bool = True) -> Packed:
    """Make the folder `to`, checked as a run would check it (without a server), and say what was found.

    Raises Conflict when anything is at `to`, Refused for what is no model or a sample that cannot be read,
    UploadRefused where the check finds fault. On failure nothing is left.
    """
    if to.exists() or to.is_symlink():
        raise Conflict(f"{to} is there already: nothing is overwritten", folder=str(to))
    building = to.with_name(f".packing-{secrets.token_hex(6)}")
    try:
        building.mkdir(parents=True)
        packed = _build(packing, building, check=check)
        building.rename(to)
    except OSError as error:
        raise Refused(f"{to} could not be made: {error}", field="to", value=str(to)) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return replace(packed, folder=to)


def _build(packing: Packing, folder: Path, *, check: bool) -> Packed:
    model, model_format = find_model(packing.model)
    name = packing.name or name_of(model)
    own = _take_model(model, model_format, folder, packing.limits)
    signature = public_signature(own, packing.layers, MANIFEST)[0] if model_format != "tensorrt" else own
    samples = tuple(_write_samples(packing.read_samples(signature), folder))
    values = {
        "name": name,
        "format": model_format,
        "model_file": DEFAULT_FILES[model_format],
        **packing.entries,
        **({"layers": dict(packing.layers)} if packing.layers else {}),
        "samples": list(samples),
    }
    parse_manifest(values)
    text = manifest_template(values, _described(own)).encode()
    manifest_of(text)
    atomic_write(folder / MANIFEST, text)
    Tree.of(folder, packing.limits)
    report = check_upload(folder, None, CheckLimits(tree=packing.limits)) if check else None
    return Packed(folder, name, model_format, signature, samples, report)


def _take_model(model: Path, model_format: Format, folder: Path, limits: TreeLimits) -> Signature:
    """Copy the model's files to where a manifest expects them; returns the signature by its own names."""
    main = DEFAULT_FILES[model_format]
    if model_format == "savedmodel":
        for path in Tree.of(model, limits).files:
            copy_beneath(model, path, folder / main / path)
        return model_facts(folder, model_format, main)[0]
    signature, files = model_facts(model.parent, model_format, model.name)
    for path in files:
        copy_beneath(model.parent, path, folder / (main if path == model.name else path))
    return signature


def _write_samples(samples: Iterable[tuple[str, Tensors]], folder: Path) -> Iterable[str]:
    taken: set[str] = set()
    for number, (stem, tensors) in enumerate(samples, 1):
        name = f"samples/{stem}.npz"
        if path_flaw(name) or name.casefold() in taken:
            name = f"samples/sample-{number}.npz"
        taken.add(name.casefold())
        atomic_write(folder / name, to_npz(tensors))
        yield name


def _described(own: Signature) -> list[str]:
    if not own.inputs:
        return ["A TensorRT plan says its tensors only to a server that has loaded it."]
    return [
        "The model's own tensors, -1 for a free dimension:",
        *(f"  input   {spec.name}  {spec}" for spec in own.inputs),
        *(f"  output  {spec.name}  {spec}" for spec in own.outputs),
    ]
