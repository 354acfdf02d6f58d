"""The artifact store: files kept by their SHA-256 digest, and listings of them kept by theirs. Nothing is changed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from seatrial.errors import NotFound, Refused, SeatrialError, TryAgain, UploadRefused
from seatrial.storage.garbage import Kind, StoredFile
from seatrial.storage.local import WRITING, atomic_file, atomic_write, digest_stream
from seatrial.storage.paths import open_beneath, path_flaw

DIGEST = re.compile(r"[0-9a-f]{64}")
CHANGED = "changed while it was being checked"


def tree_digest(files: Mapping[str, str]) -> str:
    """One SHA-256 digest for a whole folder: that of its listing `<digest>  <path>\\n`, ordered by path.

    The same as `sha256sum` of the output of `sha256sum` over the files, named relative to the folder in byte order.
    """
    listing = "".join(f"{files[path]}  {path}\n" for path in sorted(files))
    return hashlib.sha256(listing.encode()).hexdigest()


def copy_verified(source: Path, sha256: str, target: Path) -> None:
    """Copy a file and make sure that the copy has the digest `sha256`; `target` appears whole or not at all.

    Raises UploadRefused when the source is gone, is no regular file, or has other bytes than `sha256` says, and
    TryAgain when the copy cannot be written (no space, no right).
    """
    _copy_beneath(source.parent, source.name, sha256, target)


class ArtifactStore:
    """A folder with `blobs/<aa>/<digest>` and `trees/<tree digest>.json`. Any number of processes may use it at once.

    Every file is written under a temporary name, flushed and renamed; a tree is written after all its blobs. So a
    process that dies leaves nothing that is believed, and doing the same again completes it. `garbage.collect` removes
    files that nobody needs: `lock` keeps its last look at a file and a put of the same file apart.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, folder: Path, files: Mapping[str, str]) -> str:
        """Keep the files of `folder` that `files` names (path → digest) and return the tree digest. Safe to repeat.

        Bytes that the store has already are not read again, so a repeated call succeeds without the folder. Raises
        UploadRefused when a file's bytes are not the ones that `files` says, Refused for a listing that is not one.
        """
        _check_listing(files)
        digest = tree_digest(files)
        while missing := self._renew(digest, files):
            for path, sha256 in missing.items():
                _copy_beneath(folder, path, sha256, self._blob(sha256), mode=0o444)
        return digest

    def files(self, tree: str) -> dict[str, str]:
        """The listing of a tree, path → digest. Raises NotFound."""
        try:
            text = self._tree(tree).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"the artifact store has no tree {tree}", tree_digest=tree) from error
        try:
            found: dict[str, str] = json.loads(text)
        except ValueError as error:
            raise SeatrialError(f"the artifact store's listing {tree} is damaged", tree_digest=tree) from error
        return found

    def copy_to(self, files: Mapping[str, str], folder: Path) -> None:
        """Copy kept files into `folder` under their paths, verified. Files that are there already are replaced.

        Raises NotFound for a digest that the store lacks, SeatrialError when a kept file is damaged.
        """
        _check_listing(files)
        for path, sha256 in sorted(files.items()):
            blob = self._blob(sha256)
            if not blob.exists():
                raise NotFound(f"the artifact store has no file {sha256} ({path})", file=path)
            try:
                copy_verified(blob, sha256, folder / path)
            except UploadRefused as error:
                raise SeatrialError(f"the artifact store's file {sha256} ({path}) is damaged", file=path) from error

    def read(self, tree: str, path: str) -> bytes:
        """The bytes of one file of a tree, verified. Raises NotFound, and SeatrialError when it is damaged."""
        sha256 = self.files(tree).get(path)
        if sha256 is None:
            raise NotFound(f"the tree {tree} has no file {path!r}", file=path)
        try:
            data = self._blob(sha256).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"the artifact store has no file {sha256} ({path})", file=path) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise SeatrialError(f"the artifact store's file {sha256} ({path}) is damaged", file=path)
        return data

    def stored(self) -> list[StoredFile]:
        """Every file of the store; ones that are no part of it are left out."""
        now, found = time.time(), []
        for path in (*self._root.glob("trees/*"), *self._root.glob("blobs/*/*")):
            kind, name = _kind(path)
            with suppress(FileNotFoundError):
                status = path.stat()
                if kind is not None:
                    found.append(StoredFile(kind, name, status.st_size, now - status.st_mtime))
        return found

    def remove(self, kind: Kind, name: str, older_than_s: float) -> bool:
        """Remove one file unless somebody has put it anew meanwhile. Whether it was removed."""
        if kind == "temporary":
            found = [*self._root.glob(f"trees/{name}"), *self._root.glob(f"blobs/*/{name}")]
        else:
            found = [self._tree(name) if kind == "tree" else self._blob(name)]
        removed = False
        with self._locked(fcntl.LOCK_EX):
            for path in found:
                with suppress(FileNotFoundError):
                    if time.time() - path.stat().st_mtime > older_than_s:
                        path.unlink()
                        removed = True
        return removed

    def _renew(self, digest: str, files: Mapping[str, str]) -> dict[str, str]:
        """Make what is there young again; the files that are not (path → digest). With none missing, the tree is kept.

        One step for `remove`, which waits: either it finds all of it young, or this finds what it has taken.
        """
        with self._locked(fcntl.LOCK_SH):
            missing = {path: sha256 for path, sha256 in sorted(files.items()) if not _touched(self._blob(sha256))}
            tree = self._tree(digest)
            if not missing and not _touched(tree):
                atomic_write(tree, json.dumps(dict(sorted(files.items()))).encode())
        return missing

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / "lock").open("w") as lock:
            fcntl.flock(lock, how)
            yield

    def _blob(self, sha256: str) -> Path:
        return self._root / "blobs" / sha256[:2] / sha256

    def _tree(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            raise Refused(f"tree digest: {digest[:80]!r} is not a SHA-256 digest (limit: 64 hex digits)")
        return self._root / "trees" / f"{digest}.json"


def _touched(path: Path) -> bool:
    """Whether it is there, and then young."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _kind(path: Path) -> tuple[Kind | None, str]:
    if path.name.startswith(WRITING):
        return "temporary", path.name
    if path.parent.name == "trees":
        return ("tree" if path.suffix == ".json" and DIGEST.fullmatch(path.stem) else None), path.stem
    return ("file" if DIGEST.fullmatch(path.name) else None), path.name


def _check_listing(files: Mapping[str, str]) -> None:
    """Raise Refused unless every path stays below its folder, no file is a folder too, and all digests are digests."""
    for path, sha256 in files.items():
        flaw = path_flaw(path)
        if flaw:
            raise Refused(f"file listing: {path[:80]!r} {flaw}")
        if not DIGEST.fullmatch(sha256):
            raise Refused(f"file listing: {path!r}: {sha256[:80]!r} is not a SHA-256 digest (limit: 64 hex digits)")
        for parent in PurePosixPath(path).parents:
            if str(parent) in files:
                raise Refused(f"file listing: {str(parent)!r} is named as a file and as the folder of {path!r}")


def _copy_beneath(folder: Path, path: str, sha256: str, target: Path, mode: int = 0o644) -> None:
    try:
        source = open_beneath(folder, path)
    except OSError as error:
        raise UploadRefused(CHANGED, file=path, value=str(error), limit=f"SHA-256 {sha256}") from error
    try:
        with source, atomic_file(target, mode) as copy:
            if digest_stream(source, copy) != sha256:
                raise UploadRefused(CHANGED, file=path, limit=f"SHA-256 {sha256}")
    except OSError as error:
        raise TryAgain(f"{path} could not be copied to {target.parent}: {error}", file=path) from error
