"""The artifact store: files kept by their SHA-256 digest, and listings of them kept by theirs. Nothing is changed."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from seatrial.errors import NotFound, Refused, SeatrialError, TryAgain
from seatrial.storage.concurrent import at_once
from seatrial.storage.garbage import Kind, StoredFile
from seatrial.storage.listings import DIGEST, check_listing, tree_digest
from seatrial.storage.local import WRITING, atomic_file
from seatrial.storage.port import Entry, Nowhere, Storage
from seatrial.storage.renewal import DAMAGED, RenewedFiles
from seatrial.storage.sources import Source

log = logging.getLogger(__name__)


class ArtifactStore:
    """`blobs/<aa>/<digest>` and `trees/<tree digest>.json` on a storage. Any number of processes may use it at once.

    A tree is written after all its blobs, and what is there is there whole. So a process that dies leaves nothing that
    is believed, and doing the same again completes it. `garbage.collect` removes files that nobody needs, beside any
    number of puts: each put renews every file that it relies on (renewal.py).
    """

    def __init__(self, storage: Storage) -> None:
        self._storage, self._files = storage, RenewedFiles(storage)

    def put(self, source: Source, files: Mapping[str, str]) -> str:
        """Keep the files of `source` that `files` names (path → digest) and return the tree digest. Safe to repeat.

        Bytes that the store has already are not read again, so a repeated call succeeds when the upload is gone; ones
        of the wrong length and ones that a reader found damaged are written anew. Raises UploadRefused when a file's
        bytes are not the ones that `files` says, Refused for a listing that is not one.
        """
        check_listing(files)
        digest = tree_digest(files)
        written: set[str] = set()  # and verified: renewed like the others, not looked at again
        while missing := {
            path: sha256
            for path, sha256 in sorted(files.items())
            if not self._files.renew(_blob(sha256)) or not (sha256 in written or self._fits(source, path, sha256))
        }:
            at_once(lambda path, sha256: source.store(path, sha256, partial(self._write, sha256)), missing)
            written.update(missing.values())
        listing = json.dumps(dict(sorted(files.items()))).encode()
        listed = hashlib.sha256(listing).hexdigest()
        if not self._files.renew(_tree(digest)) or not self._is_whole(_tree(digest), listed):
            self._storage.write(_tree(digest), io.BytesIO(listing), listed)
        return digest

    def files(self, tree: str) -> dict[str, str]:
        """The listing of a tree, path → digest, verified. Raises NotFound, and SeatrialError when it is damaged."""
        text = io.BytesIO()
        try:
            self._files.read(_tree(tree), text)
        except NotFound as error:
            raise NotFound(f"the artifact store has no tree {tree}", tree_digest=tree) from error
        try:
            found: dict[str, str] = json.loads(text.getvalue())
            if tree_digest(found) == tree:
                return found
        except (ValueError, TypeError):
            pass
        raise SeatrialError(f"the artifact store's listing {tree} is damaged", tree_digest=tree)

    def copy_to(self, files: Mapping[str, str], folder: Path) -> None:
        """Copy kept files into `folder` under their paths, verified. Files that are there already are replaced.

        Raises NotFound for a digest that the store lacks, SeatrialError when a kept file is damaged, TryAgain when the
        copy cannot be written (no space, no right).
        """
        check_listing(files)
        at_once(lambda path, sha256: self._copy(path, sha256, folder), files)

    def read(self, tree: str, path: str) -> bytes:
        """The bytes of one file of a tree, verified. Raises NotFound, and SeatrialError when it is damaged."""
        sha256 = self.files(tree).get(path)
        if sha256 is None:
            raise NotFound(f"the tree {tree} has no file {path!r}", file=path)
        data = io.BytesIO()
        self._read_file(path, sha256, data)
        return data.getvalue()

    def head(self, path: str, sha256: str, most: int) -> bytes:
        """The first `most` bytes of a kept file; all of it was verified. `path` is its name in errors. As `read`."""
        data = _Head(most)
        self._read_file(path, sha256, data)
        return data.getvalue()

    def bytes_of(self, digests: Iterable[str]) -> int | None:
        """Bytes of the files with these digests together, one that is named twice counted twice. Nothing is read; None
        where the store lacks one."""
        found = [self._storage.look(_blob(sha256)) for sha256 in digests]
        kept = [entry.bytes for entry in found if entry is not None]
        return sum(kept) if len(kept) == len(found) else None

    def stored(self) -> list[StoredFile]:
        """Every file of the store; ones that are no part of it are left out."""
        shards = [f"blobs/{shard.name}" for shard in self._storage.entries("blobs") if shard.is_folder]
        found = [
            _stored(folder, entry) for folder in ("trees", DAMAGED, *shards) for entry in self._storage.entries(folder)
        ]
        return [one for one in found if one is not None]

    def remove(self, kind: Kind, name: str, older_than_s: float) -> bool:
        """Remove one file unless somebody has put it anew meanwhile. Whether it was removed."""
        return self._files.remove(PLACES[kind](name), older_than_s)

    def put_all_back(self) -> None:
        """Put back what a collection that died, or works at this moment, has taken aside."""
        self._files.put_all_back()

    def _fits(self, source: Source, path: str, sha256: str) -> bool:
        """Whether what is kept are these bytes. They are read only when their number is not the upload's."""
        kept, wanted = self._storage.look(_blob(sha256)), source.size(path)
        if kept is not None and wanted in (kept.bytes, None):
            return True
        return self._is_whole(_blob(sha256), sha256)

    def _is_whole(self, path: str, sha256: str) -> bool:
        try:
            return self._files.read(path, Nowhere()) == sha256
        except NotFound:
            return False

    def _write(self, sha256: str, file: BinaryIO) -> None:
        self._storage.write(_blob(sha256), file, sha256)

    def _copy(self, path: str, sha256: str, folder: Path) -> None:
        try:
            with atomic_file(folder / path) as copy:
                self._read_file(path, sha256, copy)
        except OSError as error:
            raise TryAgain(f"{path} could not be copied to {folder}: {error}", file=path) from error

    def _read_file(self, path: str, sha256: str, into: BinaryIO) -> None:
        """A damaged file is moved away, so that the next put of its bytes, of the same upload again, repairs it."""
        damaged = SeatrialError(
            f"the artifact store's file {sha256} ({path}) is damaged; registering the same upload again repairs it",
            file=path,
        )
        try:
            found = self._files.read(_blob(sha256), into)
        except NotFound as error:
            if self._files.was_damaged(_blob(sha256)):
                raise damaged from error
            raise NotFound(f"the artifact store has no file {sha256} ({path})", file=path) from error
        if found != sha256:
            if self._files.set_damaged_aside(_blob(sha256), sha256):
                log.error("%s; it was moved to %s/", damaged, DAMAGED)
            raise damaged


class _Head(io.BytesIO):
    """Keeps its first `most` bytes."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: Any, /) -> int:
        super().write(data[: self._most - self.tell()])
        return len(data)


def _blob(sha256: str) -> str:
    return f"blobs/{sha256[:2]}/{sha256}"


def _tree(digest: str) -> str:
    if not DIGEST.fullmatch(digest):
        raise Refused(f"tree digest: {digest[:80]!r} is not a SHA-256 digest (limit: 64 hex digits)")
    return f"trees/{digest}.json"


PLACES: Mapping[Kind, Callable[[str], str]] = {"file": _blob, "tree": _tree, "temporary": str, "damaged": str}
"""The path of a file of each kind; temporary and damaged ones are named by their paths."""


def _stored(folder: str, entry: Entry) -> StoredFile | None:
    if folder == DAMAGED:
        return StoredFile("damaged", f"{folder}/{entry.name}", entry.bytes, entry.age_s)
    kind: Kind = "tree" if folder == "trees" else "file"
    name = entry.name.removesuffix(".json") if kind == "tree" else entry.name
    if entry.name.startswith(WRITING):
        kind, name = "temporary", f"{folder}/{entry.name}"
    elif not DIGEST.fullmatch(name) or PLACES[kind](name) != f"{folder}/{entry.name}":
        return None
    return StoredFile(kind, name, entry.bytes, entry.age_s)
