"""`seatrial pack`: an upload folder from a model and files of samples."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.cli_common import Answer, command, pair, settings
from seatrial.errors import BadInput, Refused

if TYPE_CHECKING:
    from seatrial.tensors import Array, Signature, Tensors, TensorSpec
    from seatrial.uploads.pack import Packed

READS = """MODEL is an .onnx file (its external data is taken along), a SavedModel folder, or a TensorRT plan. What it
is and which tensors it has is found out. Each SAMPLE is one request, or a folder of such files:
  .npz   an array for each input by layer name, and expected.<layer> for an output that is known
  .json  the same as an object of nested lists
  .npy .png .wav  for a model with one input; `seatrial infer --help` says how they are read
Real requests make the check, the comparison and the measurement worth something, so none are invented."""


def add_to(commands: Any) -> None:
    new = command(
        commands,
        "pack",
        pack,
        "make an upload folder of a model and sample requests",
        "seatrial pack pitch.onnx samples/ --latency-ms 150 --to my-model/",
        READS,
    )
    new.add_argument("model", metavar="MODEL")
    new.add_argument("samples", nargs="*", metavar="SAMPLE")
    new.add_argument("--to", required=True, metavar="FOLDER", help="must not be there yet")
    new.add_argument(
        "--latency-ms",
        required=True,
        type=float,
        metavar="MS",
        help="the objective, which only you know: 99 %% of the requests within it",
    )
    new.add_argument("--name", help="the model's name (default: from the file's)")
    new.add_argument("--user", help="who made it (default: you)")
    new.add_argument(
        "--layer",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="a name for services to use, and the model's own tensor name",
    )
    new.add_argument("--no-check", action="store_true", help="leave out the check that a run begins with")


def pack(arguments: argparse.Namespace) -> Answer:
    from seatrial.uploads.pack import Packing
    from seatrial.uploads.pack import pack as make
    from seatrial.user_name import user_name

    entries = {"user": arguments.user or user_name(), "objective": {"latency_ms": arguments.latency_ms}}
    files = tuple(_files(arguments.samples))
    packing = Packing(
        model=Path(arguments.model),
        read_samples=lambda signature: _samples(files, signature),
        entries=entries,
        name=arguments.name,
        layers=dict(map(pair, arguments.layer)),
        limits=settings().largest_upload,
    )
    packed = make(packing, Path(arguments.to), check=not arguments.no_check)
    document = {
        "folder": str(packed.folder),
        "model": packed.name,
        "format": packed.format,
        "signature": packed.signature.to_dict(),
        "samples": packed.samples,
        "findings": [finding.model_dump() for finding in packed.report.findings] if packed.report else [],
        "checked": packed.report is not None,
    }
    return document, _lines(packed)


def _lines(packed: Packed) -> list[str]:
    checked = "not checked" if packed.report is None else f"checked in {packed.report.seconds:.1f} s"
    return [
        f"{packed.folder}: {packed.name} ({packed.format}) with {len(packed.samples)} sample(s), {checked}",
        *(f"  input   {spec.name}  {spec}" for spec in packed.signature.inputs),
        *(f"  output  {spec.name}  {spec}" for spec in packed.signature.outputs),
        *(f"  {finding}" for finding in (packed.report.findings if packed.report else ())),
        f"edit {packed.folder}/model.yaml where you want to say more, then: seatrial upload {packed.folder}",
    ]


def _files(given: Sequence[str]) -> Iterator[Path]:
    for text in given:
        path = Path(text)
        yield from sorted(each for each in path.iterdir() if each.name[0] != ".") if path.is_dir() else (path,)


def _samples(files: Sequence[Path], signature: Signature) -> Iterator[tuple[str, Tensors]]:
    if not files:
        raise Refused(f"a sample is needed, a real request: {_how_to(signature)}", field="samples")
    for file in files:
        yield file.stem, _sample(file, signature)


def _sample(file: Path, signature: Signature) -> Tensors:
    from seatrial.cli_layers import ARCHIVES, read_inputs
    from seatrial.client.inputs import as_arrays
    from seatrial.tensors import Signature
    from seatrial.uploads.samples import EXPECTED

    outputs = tuple(replace(spec, name=EXPECTED + spec.name) for spec in signature.outputs)
    known = Signature((*signature.inputs, *outputs), ())
    alone = "" if file.suffix.lower() in ARCHIVES else f"{_only_input(file, signature)}="
    given = read_inputs([f"{alone}{file}"], sys.stdin.buffer)
    layers = given.layers({"name": s.name, "dtype": s.dtype, "shape": s.shape} for s in known.inputs)
    try:
        arrays = as_arrays(known, layers)
    except BadInput as error:
        raise given.naming(error) from error
    return {layer: _kept(file, layer, array) for layer, array in arrays.items()}


def _kept(file: Path, layer: str, array: Array) -> Array:
    from seatrial.tensors import plain_text

    try:
        return plain_text(array) if array.dtype.hasobject else array
    except ValueError as error:
        raise Refused(f"{file}: layer {layer!r} holds {error}", file=str(file), field=layer) from error


def _only_input(file: Path, signature: Signature) -> str:
    if len(signature.inputs) == 1:
        return signature.inputs[0].name
    names = ", ".join(spec.name for spec in signature.inputs) or "not known before a server has loaded it"
    raise Refused(f"{file}: which layer is it for? The inputs are {names}: use an .npz", file=str(file))


def _how_to(signature: Signature) -> str:
    """Python that makes one, with this model's names, dtypes and shapes."""
    layers = ", ".join(f"{spec.name!r}: {_made(spec)}" for spec in signature.inputs) or "'layer': array"
    code = f"import numpy as np; np.savez('sample.npz', **{{{layers}}})"
    return f'python -c "{code}", with values of your own'


def _made(spec: TensorSpec) -> str:
    from seatrial.tensors import DTYPES

    shape = tuple(max(1, size) for size in spec.shape)
    return f"np.full({shape}, 'text')" if spec.dtype == "BYTES" else f"np.zeros({shape}, '{DTYPES[spec.dtype].name}')"
