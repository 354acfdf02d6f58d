"""The storage port on a folder of this machine."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from seatrial.errors import Conflict, NotFound, Refused, SeatrialError, TryAgain, WrongBytes
from seatrial.storage.local import atomic_file, digest_stream
from seatrial.storage.paths import open_beneath
from seatrial.storage.port import Entry, check_move, checked

ERRORS: Mapping[int, type[SeatrialError]] = {
    errno.ENOENT: NotFound,
    errno.EEXIST: Refused,
    errno.EISDIR: Refused,
    errno.ELOOP: Refused,
    errno.ENAMETOOLONG: Refused,
    errno.ENOTDIR: Refused,
}
"""Every other one is trouble of the machine: TryAgain."""


class Folder:
    """A `Storage`. The folder is made with the first file. Reading follows no symbolic link below it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, path: str, source: BinaryIO, sha256: str) -> None:
        with _told(path), atomic_file(self._at(path), mode=0o444) as file:
            source.seek(0)
            found = digest_stream(source, file)
            if found != sha256:
                raise WrongBytes(f"{path}: the bytes have SHA-256 {found}, not {sha256}", file=path)

    def open(self, path: str) -> BinaryIO:
        found = self.look(path)
        if found is None or found.is_folder or found.is_special:
            raise NotFound(f"no file {path}", file=path)
        with _told(path):
            return open_beneath(self._root, path)

    def read(self, path: str, into: BinaryIO) -> str:
        with self.open(path) as file, _told(path):
            return digest_stream(file, into)

    def look(self, path: str) -> Entry | None:
        return _entry(self._at(path))

    def touch(self, path: str) -> bool:
        at = self._at(path)
        with _told(path):
            while at.exists():
                try:
                    with at.open("rb") as file:
                        os.utime(file.fileno())
                        if os.path.samestat(at.stat(), os.fstat(file.fileno())):
                            return True  # still its name: it was touched before any renaming that is yet to come
                except FileNotFoundError:
                    continue
        return False

    def entries(self, folder: str, most: int | None = None) -> list[Entry]:
        at = self._at(folder) if folder else self._root
        with _told(folder):
            try:
                with os.scandir(at) as scan:
                    found = [_entry(Path(one)) for one in islice(scan, most)]
            except (FileNotFoundError, NotADirectoryError):
                return []
        return [entry for entry in found if entry]

    def rename(self, source: str, target: str) -> bool:
        to = self._at(target)
        with _told(target):
            to.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._at(source).replace(to)
            except (FileNotFoundError, NotADirectoryError):
                return False
        return True

    def remove(self, path: str) -> bool:
        with _told(path):
            try:
                self._at(path).unlink()
            except (FileNotFoundError, NotADirectoryError):
                return False
        return True

    def rename_folder(self, source: str, target: str) -> bool:
        check_move(source, target)
        at, to = self._at(source), self._at(target)
        with _told(target):
            if not _is_folder(at):
                return False
            to.parent.mkdir(parents=True, exist_ok=True)
            try:
                if not os.path.lexists(to):  # rename(2) would replace an empty folder
                    at.rename(to)
                    return True
            except FileNotFoundError:
                return False
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
        raise Conflict(f"{target} is there already", file=target)

    def remove_folder(self, path: str) -> bool:
        at, was_there = self._at(path), False
        with _told(path):
            while _is_folder(at):
                was_there = True
                with suppress(FileNotFoundError):  # somebody else removes it too
                    shutil.rmtree(at)
        return was_there

    def _at(self, path: str) -> Path:
        return self._root / checked(path)


def _entry(path: Path) -> Entry | None:
    with _told(path.name):
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
    is_folder, is_file = stat.S_ISDIR(status.st_mode), stat.S_ISREG(status.st_mode)
    age_s = time.time() - status.st_mtime
    return Entry(path.name, is_folder, status.st_size, age_s, status.st_mtime_ns, not (is_folder or is_file))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


@contextmanager
def _told(path: str) -> Iterator[None]:
    """The errors of the operating system as the port's."""
    try:
        yield
    except OSError as error:
        kind = ERRORS.get(error.errno or 0, TryAgain)
        raise kind(f"{path}: {error.strerror or error}", file=path) from error
