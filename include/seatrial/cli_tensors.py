"""Tensors between files and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seatrial.errors import Refused
from seatrial.tensors import Array, Tensors, from_npz, to_npz


def read_layers(pairs: Sequence[str], npz: str | None) -> dict[str, Array]:
    """Layers from an .npz file and from LAYER=FILE.npy pairs. Raises Refused naming what cannot be read."""
    found = {} if npz is None else from_npz(_bytes(npz))
    for pair in pairs:
        layer, equals, file = pair.partition("=")
        if not (layer and equals and file):
            raise Refused(f"{pair!r} is not LAYER=FILE.npy", field="layers", value=pair)
        try:
            found[layer] = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise Refused(f"{file}: is not a readable .npy file: {error}", field=layer, value=file) from error
    if not found:
        raise Refused("no layer was given: LAYER=FILE.npy, or --npz FILE", field="layers")
    return found


def write_outputs(path: Path, outputs: Tensors) -> None:
    """Keep outputs as .npz. Raises Refused where the file cannot be written, or .npz cannot hold a tensor."""
    try:
        path.write_bytes(to_npz(outputs))
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}", field="out", value=str(path)) from error


def _bytes(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise Refused(f"{file}: {error.strerror}", field="npz", value=file) from error
