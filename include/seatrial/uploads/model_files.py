"""What a researcher's model is, from its own bytes, and what to call it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from seatrial.errors import Refused
from seatrial.served_model import Format
from seatrial.uploads.names import model_name, plain

SAVED_MODEL = "saved_model.pb"
LFS_POINTER = b"version https://git-lfs"
IS_LFS_POINTER = "is a Git LFS pointer, not a model: fetch the file itself (git lfs pull)"
STARTS: Mapping[bytes, Format] = {b"ftrt": "tensorrt", b"ptrt": "tensorrt", b"\x08": "onnx"}
ENDINGS: Mapping[str, Format] = {".onnx": "onnx", ".plan": "tensorrt", ".engine": "tensorrt"}
STRANGERS: Mapping[bytes, str] = {
    b"\x89HDF": "is an HDF5 file of Keras: save it with model.export(…), as a SavedModel",
    b"PK\x03\x04": "is a zip archive, of PyTorch or Keras: export it as ONNX (torch.onnx.export) or a SavedModel",
    b"\x80": "is a Python pickle: export it as ONNX (torch.onnx.export) or a SavedModel",
    LFS_POINTER: IS_LFS_POINTER,
    b"GGUF": "is a GGUF file, which no server here loads",
}
TFLITE = b"TFL3"  # from byte 4
GENERIC = re.compile(r"(saved_?)?model|network|weights|engine|best|last|v?\d+")


def find_model(path: Path) -> tuple[Path, Format]:
    """The .onnx, .plan or .engine file or the SavedModel's folder, and its format by its first bytes, else its name.

    Raises Refused for what is none of them, saying what it is where that is known.
    """
    if path.name == SAVED_MODEL:
        path = path.parent
    try:
        if path.is_dir():
            return _saved_model(path), "savedmodel"
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    for magic, reason in STRANGERS.items():
        if start.startswith(magic):
            raise _refused(path, reason)
    if start[4:8] == TFLITE:
        raise _refused(path, "is a TensorFlow Lite model: upload the SavedModel that it was converted from")
    for magic, found in STARTS.items():
        if start.startswith(magic):
            return path, found
    if path.suffix.lower() in ENDINGS:  # its format's reader says what is wrong with it
        return path, ENDINGS[path.suffix.lower()]
    raise _refused(path, "is not a model that is known (limit: ONNX, SavedModel folder, TensorRT plan)")


def name_of(path: Path) -> str:
    """A model's name made of a file's: lower case, `-` for other characters; a folder's above where the file's says
    nothing, as model.onnx or the 1 of pitch/1/saved_model.pb. Raises Refused when nothing is left."""
    full = path.resolve()
    for text in (full.name if full.is_dir() else full.stem, *(above.name for above in full.parents)):
        if plain(text) and not GENERIC.fullmatch(plain(text)):
            return model_name(text)
    raise _refused(path, "has no name to call the model by: say --name")


def _saved_model(folder: Path) -> Path:
    if not (folder / SAVED_MODEL).is_file():
        raise _refused(folder, f"is a folder without {SAVED_MODEL}: name the .onnx or .plan file, or a SavedModel")
    return folder


def _refused(path: Path, reason: str) -> Refused:
    return Refused(f"{path}: {reason}", field="model", value=str(path))
