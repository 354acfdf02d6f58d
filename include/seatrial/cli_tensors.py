"""A model's outputs as the command line gives them: files in a folder, values in JSON, lines for a person."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from seatrial.errors import Refused
from seatrial.tensors import Array, Tensors, dtype_name

if TYPE_CHECKING:
    from seatrial.client.client import InferResult


def write_outputs(folder: Path, outputs: Tensors) -> None:
    """One file a layer; former ones are replaced. A layer's name is the server's: as a file's name it stays in the
    folder, whatever it holds. Raises Refused where a file cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in outputs.items():
            file = folder / quote(name, safe=" :@+,=")
            if array.dtype.hasobject:
                Path(f"{file}.json").write_text(json.dumps(_nested(array)))
            else:
                np.save(f"{file}.npy", array, allow_pickle=False)
    except OSError as error:
        raise Refused(f"{error.filename or folder}: {error.strerror}", field="output", value=str(folder)) from error


def shown(outputs: Tensors, *, values: bool) -> dict[str, Any]:
    """By layer its dtype and shape, and its `data` as nested lists."""
    return {
        name: {
            "dtype": dtype_name(array),
            "shape": list(array.shape),
            **({"data": _nested(array)} if values else {}),
        }
        for name, array in outputs.items()
    }


def lines(found: InferResult) -> list[str]:
    described: Mapping[str, Mapping[str, Any]] = shown(found, values=False)
    return [
        f"{found.model}@{found.version} (model id {found.model_id}) answered",
        *(f"  {name}: {output['dtype']}{output['shape']}" for name, output in described.items()),
    ]


def _nested(array: Array) -> Any:
    """Nested lists that JSON can hold: text for bytes and for floats that are not finite."""
    plain = array.dtype.kind != "O" and (array.dtype.kind != "f" or np.isfinite(array).all())
    return array.tolist() if plain else _said(array.tolist())


def _said(value: Any) -> Any:
    if isinstance(value, list):
        return [_said(item) for item in value]
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
