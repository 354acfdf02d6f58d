"""The names that services use, put on a file's own tensor names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from seatrial.errors import UploadRefused
from seatrial.tensors import Signature, TensorSpec


def public_signature(own: Signature, layers: Mapping[str, str], file: str) -> tuple[Signature, dict[str, str]]:
    """The signature in public names, in the file's order, and the whole map public name → own name. A scalar is [1].

    `layers` is the manifest's, which `file` holds; a tensor that it does not name keeps its own name. Raises
    UploadRefused when a value of `layers` is not a tensor of the model, or when two tensors would have one name.
    """
    known = [spec.name for spec in (*own.inputs, *own.outputs)]
    for public, name in layers.items():
        if name not in known:
            field = f"layers.{public}"
            limit = f"one of {', '.join(known)}"
            raise UploadRefused("is not a tensor of the model", file=file, field=field, value=name, limit=limit)
    names = {name: public for public, name in layers.items()}
    applied: dict[str, str] = {}
    for name in known:
        public = names.get(name, name)
        if public in applied:
            reason = "names two tensors of the model: map one of them to another name"
            raise UploadRefused(reason, file=file, field="layers", value=public)
        applied[public] = name

    def renamed(specs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
        return tuple(replace(spec, name=names.get(spec.name, spec.name), shape=spec.shape or (1,)) for spec in specs)

    return Signature(renamed(own.inputs), renamed(own.outputs)), applied


def scalars(own: Signature, layers: Mapping[str, str]) -> tuple[str, ...]:
    """The public names of the layers without any dimension; `layers` is the whole map public name → own name."""
    bare = {spec.name for spec in (*own.inputs, *own.outputs) if not spec.shape}
    return tuple(public for public, name in layers.items() if name in bare)
