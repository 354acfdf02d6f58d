"""What an upload says of itself: in `model.yaml`, or where there is none in MLflow's `MLmodel`."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import UploadRefused
from seatrial.storage.paths import open_beneath
from seatrial.uploads.manifest import MANIFEST, Manifest, manifest_of, parse_manifest
from seatrial.uploads.mlflow import MLMODEL, MlflowModel, read_mlmodel
from seatrial.uploads.yaml_guard import LONGEST_FILE

DECLARING = (MANIFEST, MLMODEL)
"""The files that may declare an upload: the first that is there does."""


@dataclass(frozen=True)
class Declaration:
    """`file` is what it was read from; `mlflow` what its MLmodel says beyond a manifest."""

    file: str
    manifest: Manifest
    mlflow: MlflowModel | None = None


def declaring_file(files: Container[str]) -> str:
    """Which of an upload's `files` declares it."""
    return next((file for file in DECLARING if file in files), MANIFEST)


def declaration_of(file: str, data: bytes, upload: str) -> Declaration:
    """What the bytes of `file` declare: a function of them and, for MLmodel, of the upload's path below its root, which
    names a model that it does not name. Raises UploadRefused naming the first entry that is wrong."""
    if file == MANIFEST:
        return Declaration(file, manifest_of(data))
    found = read_mlmodel(data, upload)
    return Declaration(file, parse_manifest(found.document, file), found)


def read_declaration(folder: Path, upload: str = "") -> Declaration:
    """The same of the upload in `folder`; `upload` is its path below its root, if that is not the folder's name."""
    for file in DECLARING:
        data = _bytes(folder, file)
        if data is not None:
            return declaration_of(file, data, upload or folder.absolute().name)
    raise UploadRefused(f"is missing: an upload needs a manifest, or MLflow's {MLMODEL}", file=MANIFEST)


def _bytes(folder: Path, file: str) -> bytes | None:
    try:
        with open_beneath(folder, file) as opened:
            return opened.read(LONGEST_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UploadRefused(f"cannot be read: {error.strerror or error}", file=file) from error
