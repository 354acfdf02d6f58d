"""The files of an upload as they are read: each must have the bytes that were checked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from seatrial.errors import TryAgain, UploadRefused
from seatrial.storage.local import atomic_file, digest_stream
from seatrial.storage.paths import open_beneath

CHANGED = "changed while it was being checked"


def copy_verified(source: Path, sha256: str, target: Path) -> None:
    """Copy a file and make sure that the copy has the digest `sha256`; `target` appears whole or not at all.

    Raises UploadRefused when the source is gone, is no regular file, or has other bytes than `sha256` says, and
    TryAgain when the copy cannot be written (no space, no right).
    """
    try:
        with open_source(source.parent, source.name, sha256) as original, atomic_file(target) as copy:
            if digest_stream(original, copy) != sha256:
                raise UploadRefused(CHANGED, file=source.name, limit=f"SHA-256 {sha256}")
    except OSError as error:
        raise TryAgain(f"{source.name} could not be copied to {target.parent}: {error}", file=source.name) from error


def size_of(folder: Path, path: str) -> int | None:
    """Bytes of an upload's file; None when it is gone."""
    try:
        with open_beneath(folder, path) as file:
            return os.fstat(file.fileno()).st_size
    except OSError:
        return None


def open_source(folder: Path, path: str, sha256: str) -> BinaryIO:
    """Raises UploadRefused when there is no regular file."""
    try:
        return open_beneath(folder, path)
    except OSError as error:
        raise UploadRefused(CHANGED, file=path, value=str(error), limit=f"SHA-256 {sha256}") from error
