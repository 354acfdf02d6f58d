"""One upload as a source of files, wherever it is: listed within limits, fetched for the check, copied by digest."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from seatrial.errors import NotFound, Refused, TryAgain, UploadRefused
from seatrial.storage.local import atomic_file
from seatrial.storage.port import Entry
from seatrial.storage.sources import CHANGED
from seatrial.uploads.roots import UploadRoot, locate
from seatrial.uploads.tree import FileFacts, Item, TreeLimits, check_same, list_files
from seatrial.waiting import Deadline

AT_ONCE = 8  # HDFS takes some 10 ms for a file, however small


@dataclass(frozen=True)
class Upload:
    """The upload at `path` below a root. Nothing is asked before a method is called; all raise TryAgain when the
    storage is away."""

    root: UploadRoot
    path: str

    @classmethod
    def at(cls, roots: Sequence[UploadRoot], name: str) -> Upload:
        """The upload of this name. Raises Refused as `locate` does."""
        return cls(*locate(roots, name))

    @property
    def name(self) -> str:
        return self.root.name_of(self.path)

    def files(self, limits: TreeLimits) -> dict[str, FileFacts]:
        """Its regular files by path relative to it, in order, without the marker; nothing is opened.

        Raises UploadRefused for what `list_files` refuses, and for an upload that is not there.
        """
        return list_files(self._items, limits)

    def fetch(self, into: Path, deadline: Deadline, limits: TreeLimits) -> dict[str, FileFacts]:
        """Copy all files to the folder `into` and return what `files` has found before and again afterwards.

        Nothing is opened before all is within `limits`, and no file is read beyond the size that it was listed with.
        Raises UploadRefused for what `files` refuses and for what came, went or was written meanwhile, TryAgain when
        `into` is full or `deadline` has passed; `into` then holds a part.
        """
        before = self.files(limits)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            deque(pool.map(lambda path: self._fetch(path, before[path].size, into, deadline), before), maxlen=0)
        self.check_same(before, limits)
        return before

    def check_same(self, before: dict[str, FileFacts], limits: TreeLimits) -> None:
        """Raise UploadRefused naming the first file that came, went or was written since `files` gave `before`."""
        check_same(before, self.files(limits))

    def copy_file(self, path: str, sha256: str, target: Path) -> None:
        """Copy one file to `target`, which appears whole and with the digest `sha256`, or not at all.

        Raises UploadRefused when the file is gone or has other bytes, TryAgain when the copy cannot be written.
        """
        try:
            with atomic_file(target) as copy:
                self._read(path, sha256, copy)
        except OSError as error:
            raise TryAgain(f"{path} could not be copied to {target.parent}: {error}", file=path) from error

    def _fetch(self, path: str, size: int, into: Path, deadline: Deadline) -> None:
        if deadline.passed:
            raise TryAgain(f"{self.name}: there was no time left to fetch {path}", file=path)
        try:
            target = into / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as copy:
                self._read(path, None, _AtMost(copy, size, path))  # type: ignore[arg-type]
        except OSError as error:
            raise TryAgain(f"{path} could not be fetched to {into}: {error.strerror or error}", file=path) from error

    def _read(self, path: str, sha256: str | None, into: BinaryIO) -> None:
        limit = f"SHA-256 {sha256}" if sha256 else "an upload may not change after it was noticed"
        try:
            found = self.root.storage.read(f"{self.path}/{path}", into)
        except (NotFound, Refused) as error:
            raise UploadRefused(CHANGED, file=path, value=error.message, limit=limit) from error
        if sha256 and found != sha256:
            raise UploadRefused(CHANGED, file=path, limit=limit)

    def _items(self, below: str, most: int) -> list[Item]:
        folder = f"{self.path}/{below}" if below else self.path
        try:
            found = self.root.storage.entries(folder, most)
            is_there = bool(found) or self.root.storage.look(folder) is not None
        except Refused as error:  # deeper or longer than a storage takes, with what is above the upload
            raise UploadRefused(error.message, file=below or ".") from error
        if not is_there:
            raise UploadRefused("cannot be listed: there is no such folder", file=below or ".")
        return [_item(entry) for entry in found]


class _AtMost(io.RawIOBase):
    """Writes to `file`, and refuses the byte after the first `most`."""

    def __init__(self, file: BinaryIO, most: int, path: str) -> None:
        self._file, self._left, self._path = file, most, path

    def write(self, data: Any, /) -> int:
        self._left -= len(data)
        if self._left < 0:
            raise UploadRefused(CHANGED, file=self._path, limit="an upload may not change after it was noticed")
        return self._file.write(data)


def _item(entry: Entry) -> Item:
    kind = "a symbolic link or a special file" if entry.is_special else "folder" if entry.is_folder else "file"
    return Item(entry.name, kind, FileFacts(entry.bytes, entry.modified_ns))
