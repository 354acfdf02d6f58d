"""What a format's reader says of a model file, the same for every format."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from seatrial.errors import UploadRefused
from seatrial.formats.line import finding_line, shown
from seatrial.formats.weights import Weight
from seatrial.storage.paths import open_beneath
from seatrial.tensors import Signature
from seatrial.uploads.model_files import IS_LFS_POINTER, LFS_POINTER

__all__ = ["Finding", "FormatFacts", "read_start", "shown"]


class Finding(BaseModel):
    """Something that a person should know of an accepted upload: where, what was found, what it is held to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    severity: Literal["info", "warning"]
    file: str
    message: str
    location: str | None = None
    value: str | None = None
    limit: str | None = None

    def __str__(self) -> str:
        return finding_line(self.model_dump())


@dataclass(frozen=True)
class FormatFacts:
    """`signature` by the file's own tensor names, or None where the format does not say it.

    `files` are the paths inside the upload that a server needs to load the model; `runtime` names versions as text;
    `weights` are those that the format shows.
    """

    signature: Signature | None
    files: tuple[str, ...]
    runtime: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    weights: tuple[Weight, ...] = ()


def read_start(folder: Path, path: str, size: int) -> tuple[bytes, int]:
    """The first `size` bytes of a model file and its whole length. Refuses empty files and Git LFS pointers."""
    try:
        with open_beneath(folder, path) as file:
            start = file.read(max(size, len(LFS_POINTER)))
            length = file.seek(0, 2)
    except FileNotFoundError as error:
        raise UploadRefused("is missing: the manifest names it as the model", file=path) from error
    except OSError as error:
        raise UploadRefused(f"cannot be read: {error.strerror or error}", file=path) from error
    if not start:
        raise UploadRefused("is empty", file=path)
    if start.startswith(LFS_POINTER):
        raise UploadRefused(IS_LFS_POINTER, file=path)
    return start[:size], length
