"""The files of an upload: listed within limits, nothing but regular files, and named by their digests."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from seatrial.errors import UploadRefused
from seatrial.settings import TreeLimits
from seatrial.storage.local import digest_stream
from seatrial.storage.paths import open_beneath, path_flaw
from seatrial.storage.sources import CHANGED

MARKER = "_SUCCESS"


@dataclass(frozen=True)
class FileFacts:
    """What tells that a file was touched. `changed_ns` (ctime) cannot be set back by whoever writes the file; it and
    `inode` are 0 on a storage that does not tell them."""

    size: int
    modified_ns: int
    changed_ns: int = 0
    inode: int = 0


@dataclass(frozen=True)
class Item:
    """What stands in a folder of an upload. `kind` may also be the words for what no upload may hold."""

    name: str
    kind: Literal["file", "folder"] | str
    facts: FileFacts


@dataclass(frozen=True)
class Tree:
    """The upload in `folder` as it was listed once: its `files` as `list_files` gives them, within `limits`."""

    folder: Path
    limits: TreeLimits
    files: Mapping[str, FileFacts]

    @classmethod
    def of(cls, folder: Path, limits: TreeLimits) -> Tree:
        """Raises UploadRefused for what `list_files` refuses."""
        return cls(folder, limits, list_files(partial(_items, folder), limits))

    @property
    def sizes(self) -> dict[str, int]:
        return {path: file.size for path, file in self.files.items()}

    def digests(self) -> dict[str, str]:
        """The SHA-256 digest of each file, by path: of what was listed only if `check_unchanged` finds so afterwards.

        Raises UploadRefused for a file that cannot be read.
        """
        return {path: self._digest(path) for path in self.files}

    def check_unchanged(self) -> None:
        """Raise UploadRefused naming the first file that came, went or was written since they were listed."""
        check_same(self.files, Tree.of(self.folder, self.limits).files)

    def _digest(self, path: str) -> str:
        try:
            with open_beneath(self.folder, path) as file:
                return digest_stream(file)
        except OSError as error:
            self.check_unchanged()
            raise UploadRefused(f"cannot be read: {error.strerror or error}", file=path) from error


Lister = Callable[[str, int], Sequence[Item]]
"""What stands in a folder ("" is the upload itself), no more than so many. Raises UploadRefused."""


def list_files(items: Lister, limits: TreeLimits) -> dict[str, FileFacts]:
    """An upload's regular files by path relative to it, in order. The marker `_SUCCESS` is left out.

    Raises UploadRefused for symbolic links, FIFOs, devices, sockets, names that `path_flaw` finds fault with or that
    differ in case only, files that cannot be listed, more files or folders than `limits.files`, or more bytes than
    `limits.bytes`.
    """
    found: dict[str, FileFacts] = {}
    total = 0
    for number, (path, item) in enumerate(_walk(items, "", limits.files), 1):
        if number > limits.files:
            raise _too_many(limits.files)
        if item.kind == "folder":
            continue
        found[path] = item.facts
        total += item.facts.size
        if total > limits.bytes:
            raise UploadRefused("the files up to here are too large", file=path, limit=f"{limits.bytes} bytes in all")
    return dict(sorted(found.items()))


def check_same(before: Mapping[str, FileFacts], after: Mapping[str, FileFacts]) -> None:
    """Raise UploadRefused naming the first file, by path, in which two listings of an upload differ."""
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            raise changed(path)


def changed(path: str) -> UploadRefused:
    return UploadRefused(CHANGED, file=path, limit="an upload may not change after it was noticed")


def _walk(items: Lister, below: str, most: int) -> Iterator[tuple[str, Item]]:
    """Files and folders of an upload, in order, a folder before what is in it."""
    entries = sorted(items(below, most + 2), key=lambda item: item.name)  # and the marker
    if len(entries) > most + 1:
        raise _too_many(most)
    folded: dict[str, str] = {}
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        if path == MARKER:
            continue
        flaw = path_flaw(path)
        if flaw:
            raise UploadRefused(flaw, file=below or ".", field="file name", value=entry.name)
        other = folded.setdefault(entry.name.casefold(), entry.name)
        if other != entry.name:
            reason = "differs from another name in case only"
            raise UploadRefused(reason, file=path, field="file name", value=entry.name, limit=f"not {other!r}")
        if entry.kind not in ("file", "folder"):
            raise UploadRefused(f"is {entry.kind}", file=path, limit="regular files and folders")
        yield path, entry
        if entry.kind == "folder":
            yield from _walk(items, path, most)


def _items(folder: Path, below: str, most: int) -> list[Item]:
    try:
        with os.scandir(folder / below) as scan:
            return [_item(entry, below) for entry in islice(scan, most)]
    except OSError as error:
        raise UploadRefused(f"cannot be listed: {error.strerror}", file=below or ".") from error


def _item(entry: os.DirEntry[str], below: str) -> Item:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        raise UploadRefused(CHANGED, file=f"{below}/{entry.name}" if below else entry.name) from error
    facts = FileFacts(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return Item(entry.name, _KINDS.get(stat.S_IFMT(status.st_mode), "a special file"), facts)


def _too_many(most: int) -> UploadRefused:
    return UploadRefused("has too many files", file=".", limit=f"{most} files and folders")


_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
