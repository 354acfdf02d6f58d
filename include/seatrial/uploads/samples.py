"""Samples of an upload: named input tensors, and the outputs expected for them if the researcher gave any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seatrial.errors import BadInput, Refused, UploadRefused
from seatrial.served_model import ServedModel
from seatrial.storage.paths import open_beneath
from seatrial.tensors import Array, Signature, TensorSpec, check_tensors, from_npz
from seatrial.uploads.mlflow_example import read_example

EXPECTED = "expected."
LARGEST_FILE = 256 * 2**20
LARGEST_TOTAL = 2**30


@dataclass(frozen=True)
class Sample:
    """One request that the model must be able to answer. `name` is the file's path inside the upload."""

    name: str
    inputs: dict[str, Array]
    expected: dict[str, Array] | None = None


def sample_tensors(name: str, data: bytes, served: ServedModel) -> dict[str, Array]:
    """The tensors that the bytes of the sample file `name` hold, by public layer names: an .npz, or MLflow's .json.

    Raises Refused with the reason for what is neither.
    """
    return _example(data, served) if name.endswith(".json") else from_npz(data, limit_bytes=LARGEST_FILE)


def sample_inputs(name: str, data: bytes, served: ServedModel) -> dict[str, Array]:
    """The same without expected outputs: what is sent."""
    tensors = sample_tensors(name, data, served)
    return {layer: array for layer, array in tensors.items() if not layer.startswith(EXPECTED)}


def _example(data: bytes, served: ServedModel) -> dict[str, Array]:
    """MLflow knows the file's own tensor names only."""
    own = {spec.name: served.layers.get(spec.name, spec.name) for spec in served.signature.inputs}
    inputs = tuple(replace(spec, name=own[spec.name]) for spec in served.signature.inputs)
    found = read_example(data, Signature(inputs, ()))
    return {public: found[name] for public, name in own.items()}


def read_samples(folder: Path, names: Iterable[str], served: ServedModel) -> tuple[Sample, ...]:
    """All samples that a manifest names, in its order, checked against the signature (public layer names).

    Raises UploadRefused naming file, layer, what came and what the signature says; also for more than 256 MB in a file
    and more than 1 GB of tensors in all.
    """
    return tuple(each_sample(folder, names, served))


def check_sizes(sizes: Mapping[str, int], names: Iterable[str]) -> None:
    """Refuse a sample that is absent from an upload's `sizes` or too large, before anything is read."""
    for name in names:
        if name not in sizes:
            raise UploadRefused("is missing: the manifest names it as a sample", file=name)
        if sizes[name] > LARGEST_FILE:
            limit = f"{LARGEST_FILE} bytes"
            raise UploadRefused("bytes are too large for a sample", file=name, value=sizes[name], limit=limit)


def each_sample(folder: Path, names: Iterable[str], served: ServedModel) -> Iterator[Sample]:
    """The same one by one, for who wants only one of them in memory."""
    total = 0
    for name in names:
        sample = _read_sample(folder, name, served)
        total += sum(array.nbytes for side in (sample.inputs, sample.expected or {}) for array in side.values())
        if total > LARGEST_TOTAL:
            raise UploadRefused("the samples up to here are too large", file=name, limit=f"{LARGEST_TOTAL} bytes")
        yield sample


def _read_sample(folder: Path, name: str, served: ServedModel) -> Sample:
    tensors, signature = _tensors(folder, name, served), served.signature
    inputs = {layer: array for layer, array in tensors.items() if not layer.startswith(EXPECTED)}
    expected = {layer.removeprefix(EXPECTED): a for layer, a in tensors.items() if layer.startswith(EXPECTED)}
    _check(name, "", signature.inputs, inputs)
    _check(name, EXPECTED, _partial(signature.outputs, expected), expected)
    for layer, array in tensors.items():
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise UploadRefused("holds a value that is not a number", file=name, field=_printable(layer), value="NaN")
    for layer, array in inputs.items():
        if array.size == 0:
            raise UploadRefused("holds no element", file=name, field=layer, value=list(array.shape), limit="1 or more")
    return Sample(name, inputs, expected or None)


def _tensors(folder: Path, name: str, served: ServedModel) -> dict[str, Array]:
    try:
        with open_beneath(folder, name) as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise UploadRefused("is missing: the manifest names it as a sample", file=name) from error
    except OSError as error:
        raise UploadRefused(f"cannot be read: {error.strerror or error}", file=name) from error
    if len(data) > LARGEST_FILE:
        raise UploadRefused("is too large for a sample", file=name, limit=f"{LARGEST_FILE} bytes")
    try:
        return sample_tensors(name, data, served)
    except Refused as error:
        raise UploadRefused(error.message, file=name) from error


def _check(name: str, prefix: str, specs: Iterable[TensorSpec], tensors: dict[str, Array]) -> None:
    try:
        check_tensors(specs, tensors)
    except BadInput as error:
        layer, expected, got = (error.fields[key] for key in ("layer", "expected", "got"))
        field = _printable(prefix + layer)
        raise UploadRefused("does not fit the model", file=name, field=field, value=got, limit=expected) from error
    except Refused as error:
        raise UploadRefused(error.message, file=name) from error


def _partial(outputs: tuple[TensorSpec, ...], expected: dict[str, Array]) -> tuple[TensorSpec, ...]:
    """The outputs that must be checked: expected ones may be given for some layers only, but for no unknown one."""
    known = {spec.name for spec in outputs}
    return tuple(spec for spec in outputs if spec.name in expected) if expected.keys() <= known else outputs


def _printable(text: str) -> str:
    return text[:200] if text.isprintable() else ascii(text)[:200]
