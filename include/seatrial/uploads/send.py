"""Sends a folder to the uploads so that nobody ever sees half of it, and goes on where an earlier call was cut off."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from seatrial.errors import Conflict, NotFound, Refused, SeatrialError, TryAgain, UploadRefused
from seatrial.settings import TreeLimits
from seatrial.storage.concurrent import AT_ONCE
from seatrial.storage.folder import Folder
from seatrial.storage.listings import tree_digest
from seatrial.storage.paths import path_flaw
from seatrial.storage.port import Storage
from seatrial.storage.sources import Source
from seatrial.uploads.incoming import Incoming, is_whole, remove_dead
from seatrial.uploads.tree import Tree

LIMITS = TreeLimits()

Advance = Callable[[int], None]
"""Called with bytes that were sent; less than none for those that are sent again. From many threads."""

Start = Callable[[int, int], Advance]
"""Called once, with the bytes of the upload and how many of them are there already."""


@dataclass(frozen=True)
class Parcel:
    """A folder that is an upload: its files with their bytes and SHA-256 digests, and the digest of all."""

    folder: Path
    sizes: Mapping[str, int]
    digests: Mapping[str, str]
    tree: str

    @classmethod
    def of(cls, folder: Path, limits: TreeLimits = LIMITS) -> Parcel:
        """Reads every file. Raises UploadRefused for what no upload may hold, and for any change meanwhile."""
        listed = Tree.of(folder, limits)
        digests = listed.digests()
        listed.check_unchanged()
        return cls(folder, listed.sizes, digests, tree_digest(digests))


def send(folder: Path, root: Path, name: str, limits: TreeLimits = LIMITS) -> Path:
    """`deliver` to a folder of this machine; returns the upload."""
    deliver(Parcel.of(folder, limits), Folder(root), name)
    return root / name


def deliver(parcel: Parcel, storage: Storage, name: str, start: Start = lambda *_: lambda _: None) -> bool:
    """Make the upload `name` on the storage of a root; it appears there whole, with its marker, in one step.

    A call that is cut off, killed or ends with TryAgain leaves whole files in a hidden folder, and the next one for the
    same files and name sends the rest. Whether anything was to be done: not where these very files are that upload
    already. Raises Refused for a name that is no folder name, Conflict when another upload has it or another call takes
    this one over, UploadRefused when a file of the parcel changes; then nothing is left.
    """
    _check_names(name, parcel.digests)
    if storage.look(name):
        return _check_whole(parcel, storage, name)
    beside = storage.entries("")
    remove_dead(storage, beside)
    incoming = Incoming.take(storage, name, parcel.tree, beside)
    try:
        lacking = incoming.lacks(parcel.sizes)
        there = sum(size for path, size in parcel.sizes.items() if path not in lacking)
        _write(parcel, incoming, lacking, start(sum(parcel.sizes.values()), there))
        if not incoming.publish(name, parcel.tree, parcel.sizes):
            _check_whole(parcel, storage, name)  # by an answer that was lost, or by another call
            incoming.remove()
    except (Conflict, Refused):
        with suppress(SeatrialError):
            incoming.remove()
        raise
    except TryAgain:
        if not is_whole(storage, name, parcel.tree, parcel.sizes):
            raise
        with suppress(SeatrialError):  # the call that took this one over has done it
            incoming.remove()
    return True


def _check_names(name: str, paths: Iterable[str]) -> None:
    if path_flaw(name) or "/" in name or name.startswith((".", "_")):
        raise Refused(f"{name!r} cannot name an upload", field="name", value=name)
    for path in paths:
        flaw = path_flaw(f"{name}/{path}")
        if flaw:
            raise UploadRefused(flaw, file=path, field="path below the upload root")


def _check_whole(parcel: Parcel, storage: Storage, name: str) -> bool:
    """False when the upload `name` is this parcel, else Conflict."""
    if is_whole(storage, name, parcel.tree, parcel.sizes):
        return False
    raise Conflict(f"there is another upload {name}: choose another name", upload=name)


def _write(parcel: Parcel, incoming: Incoming, paths: Iterable[str], advance: Advance) -> None:
    """The largest begin first, so that none of them is alone at the end."""
    stopped = threading.Event()
    largest = sorted(paths, key=lambda path: (-parcel.sizes[path], path))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        writing = [pool.submit(_write_one, parcel, incoming, path, advance, stopped) for path in largest]
        try:
            for done in as_completed(writing):
                done.result()
        except BaseException:  # also Ctrl-C: what is being sent ends with its next piece
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _write_one(parcel: Parcel, incoming: Incoming, path: str, advance: Advance, stopped: threading.Event) -> None:
    sha256 = parcel.digests[path]

    def write(file: BinaryIO) -> None:
        source: Any = _Counted(file, advance, stopped)
        incoming.storage.write(f"{incoming.folder}/{path}", source, sha256)

    try:
        Source(Folder(parcel.folder)).store(path, sha256, write)
    except NotFound as error:  # the folder went away while it was being written to
        raise Conflict("another call goes on with this upload", file=path) from error


class _Stopped(Exception):
    """Another file failed, or a person has pressed Ctrl-C."""


class _Counted(io.RawIOBase):
    """A file that tells how much of it was read."""

    def __init__(self, file: BinaryIO, advance: Advance, stopped: threading.Event) -> None:
        self._file, self._advance, self._stopped = file, advance, stopped
        self._read = 0

    def read(self, size: int = -1, /) -> bytes:
        if self._stopped.is_set():
            raise _Stopped
        piece = self._file.read(size)
        self._read += len(piece)
        self._advance(len(piece))
        return piece

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """To its beginning: what was sent is sent again."""
        self._advance(-self._read)
        self._read = 0
        return self._file.seek(offset, whence)
