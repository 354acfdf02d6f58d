"""Layers of a request from files: which file is for which layer, and one reader for each kind of file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from seatrial.cli_media import Media, read_png, read_wav
from seatrial.errors import BadInput, Refused
from seatrial.tensors import TensorSpec, from_npz

STDIN = "-"


@dataclass(frozen=True)
class Inputs:
    """By layer what was read, and the file that it came from. A Media takes its shape once the layer is known."""

    values: Mapping[str, Any]
    files: Mapping[str, str]

    def layers(self, described: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """The layers to send, `described` being the model's inputs. Raises BadInput for media that fit no layer."""
        specs = {d["name"]: TensorSpec(d["name"], d["dtype"], tuple(d["shape"])) for d in described}
        return {layer: self._fitted(layer, value, specs) for layer, value in self.values.items()}

    def naming(self, error: BadInput) -> BadInput:
        """The same error, with the file that the layer came from."""
        layer, expected, got = (error.fields[name] for name in ("layer", "expected", "got"))
        return (
            BadInput(layer, expected=expected, got=f"{got} from {self.files[layer]}") if layer in self.files else error
        )

    def _fitted(self, layer: str, value: Any, specs: Mapping[str, TensorSpec]) -> Any:
        if not isinstance(value, Media):
            return value
        if layer not in specs:
            names = ", ".join(sorted(specs))
            raise BadInput(layer, expected=f"one of the layers {names}", got=f"another layer from {self.files[layer]}")
        found = value.fitted(specs[layer])
        if found is None:
            raise BadInput(layer, expected=str(specs[layer]), got=f"{value} from {self.files[layer]}")
        return found


def read_inputs(given: Sequence[str], stdin: BinaryIO) -> Inputs:
    """The files of INPUT arguments, read. Raises Refused naming the file, and a layer that is given twice."""
    values: dict[str, Any] = {}
    files: dict[str, str] = {}
    for text in given:
        layer, equals, file = text.rpartition("=")
        data = _bytes(file, stdin)
        found = {layer: _one(layer, file, data)} if equals else _several(file, data)
        for name, value in found.items():
            if name in values:
                raise Refused(f"{file}: layer {name!r} is also in {files[name]}", file=file, field=name)
            values[name], files[name] = value, file
    return Inputs(values, files)


def _one(layer: str, file: str, data: bytes) -> Any:
    kind, kinds = _kind(file), ", ".join(READERS)
    if not layer or kind not in READERS:
        raise Refused(f"{layer}={file}: is not LAYER=FILE (limit: {kinds})", file=file, limit=kinds)
    return _read(READERS[kind], file, data, layer)


def _several(file: str, data: bytes) -> Mapping[str, Any]:
    kind = _kind(file)
    if kind not in ARCHIVES:
        raise Refused(f"{file}: which layer is it for? Say LAYER={file}", file=file, limit=", ".join(ARCHIVES))
    found: Mapping[str, Any] = _read(ARCHIVES[kind], file, data)
    return found


def _kind(file: str) -> str:
    return ".json" if file == STDIN else Path(file).suffix.lower()


def _read(reader: Callable[..., Any], file: str, *given: Any) -> Any:
    try:
        return reader(*given)
    except Refused as error:
        raise Refused(f"{file}: {error.message}", file=file) from error
    except (ValueError, EOFError, RecursionError) as error:
        raise Refused(f"{file}: cannot be read: {' '.join(str(error).split())[:300]}", file=file) from error


def _bytes(file: str, stdin: BinaryIO) -> bytes:
    if file == STDIN:
        return stdin.read()
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        raise Refused(f"{file}: {getattr(error, 'strerror', None) or error}", file=file) from error


def _npy(data: bytes, _: str) -> Any:
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def _npz(data: bytes, layer: str) -> Any:
    found = from_npz(data)
    if layer not in found:
        raise Refused(f"has no array {layer!r}; it has {', '.join(found) or 'none'}")
    return found[layer]


def _json(data: bytes, _: str) -> Any:
    return json.loads(data)


def _object(data: bytes) -> Mapping[str, Any]:
    found = json.loads(data)
    if not isinstance(found, dict):
        raise Refused("is no JSON object of layers by name")
    return found


READERS: dict[str, Callable[[bytes, str], Any]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".json": _json,
    ".png": lambda data, _: read_png(data),
    ".wav": lambda data, _: read_wav(data),
}
ARCHIVES: dict[str, Callable[[bytes], Mapping[str, Any]]] = {".npz": from_npz, ".json": _object}
