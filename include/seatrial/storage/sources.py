"""The files of an upload as they are read: each must have the bytes that were checked."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from seatrial.errors import NotFound, Refused, TryAgain, UploadRefused, WrongBytes
from seatrial.storage.concurrent import at_once
from seatrial.storage.local import CHUNK, atomic_file, digest_stream
from seatrial.storage.port import Storage

CHANGED = "changed while it was being checked"


@dataclass(frozen=True)
class Source:
    """Files below `folder` of a storage ("" is all of it), by paths relative to that. Each method raises TryAgain when
    the storage is away."""

    storage: Storage
    folder: str = ""

    def size(self, path: str) -> int | None:
        """Bytes of a file; None when it is gone."""
        found = self.storage.look(self._at(path))
        return None if found is None or found.is_folder or found.is_special else found.bytes

    def open(self, path: str, sha256: str) -> BinaryIO:
        """A stream of the file, which the caller closes and compares with `sha256`. Opening and reading raise
        UploadRefused, naming that digest, when there is no regular file."""
        with _refused(path, sha256):
            return io.BufferedReader(_SourceFile(self.storage.open(self._at(path)), path, sha256), CHUNK)

    def store(self, path: str, sha256: str, write: Callable[[BinaryIO], object]) -> None:
        """`write` a file to a storage, which verifies `sha256`. Raises UploadRefused when there is no regular file or
        it has other bytes, and what `write` does."""
        with self.open(path, sha256) as file:
            try:
                write(file)
            except WrongBytes as error:
                raise _not_as_checked(path, sha256) from error

    def copy(self, path: str, sha256: str, target: Path) -> None:
        """Copy a file and make sure that the copy has the digest `sha256`; `target` appears whole or not at all.

        Raises UploadRefused when the file is gone, is no regular one, or has other bytes than `sha256` says, and
        TryAgain when the copy cannot be written (no space, no right).
        """
        try:
            with self.open(path, sha256) as original, atomic_file(target) as copy:
                if digest_stream(original, copy) != sha256:
                    raise _not_as_checked(path, sha256)
        except OSError as error:
            raise TryAgain(f"{path} could not be copied to {target.parent}: {error}", file=path) from error

    def copy_all(self, files: Mapping[str, str], folder: Path) -> None:
        """Copy files (path → digest) into `folder` under their paths, as `copy` does."""
        at_once(lambda path, sha256: self.copy(path, sha256, folder / path), files)

    def _at(self, path: str) -> str:
        return f"{self.folder}/{path}" if self.folder else path


class _SourceFile(io.RawIOBase):
    """A file of an upload. One that goes away while it is read is refused here, where that cannot be mistaken for a
    file that is missing where it is written to."""

    def __init__(self, file: BinaryIO, path: str, sha256: str) -> None:
        super().__init__()
        self._file, self._path, self._sha256 = file, path, sha256

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int:
        with _refused(self._path, self._sha256):
            piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def _refused(path: str, sha256: str) -> Iterator[None]:
    try:
        yield
    except (NotFound, Refused) as error:
        raise _not_as_checked(path, sha256, error.message) from error


def _not_as_checked(path: str, sha256: str, value: str | None = None) -> UploadRefused:
    return UploadRefused(CHANGED, file=path, value=value, limit=f"SHA-256 {sha256}")
