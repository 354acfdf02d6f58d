"""Files on this machine: written whole or not at all, and named by their SHA-256 digest."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

CHUNK = 2**20
WRITING = ".writing-"
"""How the names of temporary files begin."""


def atomic_write(path: Path, data: bytes) -> None:
    """Write `data` to `path`: readers see the former content or all of `data`, also after a power cut.

    Folders above are made. A second call replaces the content. On failure nothing is left behind.
    """
    with atomic_file(path) as file:
        file.write(data)


@contextmanager
def atomic_file(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A file that becomes `path` when the block ends well (flushed, renamed) and vanishes when it raises."""
    _make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=WRITING, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def digest_file(path: Path) -> str:
    """The SHA-256 digest of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return digest_stream(file)


def digest_stream(file: BinaryIO, into: BinaryIO | None = None) -> str:
    """The SHA-256 digest of all that `file` still holds; the bytes read are written to `into` as well, if given."""
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        if into is not None:
            into.write(chunk)
    return digest.hexdigest()


def _make_folder(folder: Path) -> None:
    """With what is above it, also after a power cut."""
    new = list(takewhile(lambda part: not part.exists(), (folder, *folder.parents)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        if folder.is_file():
            raise
        raise FileNotFoundError(errno.ENOENT, "was renamed or removed meanwhile", str(folder)) from error
    for part in new:
        _sync_folder(part.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
