"""Storages of each kind for tests, and what is done to them behind their backs."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import httpx

from seatrial.storage.folder import Folder
from seatrial.storage.location import open_storage
from seatrial.storage.port import Storage
from seatrial.storage.sources import Source
from seatrial.uploads.roots import open_roots
from seatrial.uploads.source import Upload
from tests.hdfs.cluster import HdfsCluster


@dataclass(frozen=True)
class Place:
    """A storage; `age` makes every file of it as old, `overwrite` replaces a file's bytes (path, bytes), `force` makes
    a folder under a name that the port does not take."""

    url: str
    storage: Storage
    age: Callable[[float], None]
    overwrite: Callable[[str, bytes], None]
    force: Callable[[str], object]

    def put(self, path: str, data: bytes) -> None:
        put(self.storage, path, data)

    def bytes_of(self, path: str) -> bytes:
        data = io.BytesIO()
        self.storage.read(path, data)
        return data.getvalue()

    def names(self, folder: str = "") -> list[str]:
        return sorted(entry.name for entry in self.storage.entries(folder))


def put(storage: Storage, path: str, data: bytes) -> None:
    storage.write(path, io.BytesIO(data), hashlib.sha256(data).hexdigest())


def folder_place(root: Path) -> Place:
    def age(seconds: float) -> None:
        then = time.time() - seconds
        for path in root.rglob("*"):
            if path.is_file():
                os.utime(path, (then, then))

    def overwrite(path: str, data: bytes) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).unlink(missing_ok=True)
        (root / path).write_bytes(data)

    return Place(root.as_uri(), open_storage(root.as_uri(), "test"), age, overwrite, lambda path: (root / path).mkdir())


def hdfs_place(cluster: HdfsCluster, folder: str) -> Place:
    def overwrite(path: str, data: bytes) -> None:
        asked = cluster.rest("PUT", f"{folder}/{path}", "CREATE", overwrite="true", noredirect="true")
        assert httpx.put(asked.json()["Location"], content=data, trust_env=False).status_code == 201

    url = cluster.url(folder)
    return Place(
        url,
        open_storage(url, "test"),
        lambda seconds: cluster.age(folder, seconds),
        overwrite,
        lambda path: cluster.rest("PUT", quote(f"{folder}/{path}"), "MKDIRS").raise_for_status(),
    )


class ActingFile:
    """A file that calls `act` once, when more of it is asked for after the first piece: a reader in pieces has used
    that one then, and a writer has sent it."""

    def __init__(self, file: BinaryIO, act: Callable[[], object] | None) -> None:
        self._file, self._act, self._pieces = file, act, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> ActingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int = -1) -> bytes:
        if self._pieces and self._act:
            act, self._act = self._act, None
            act()
        self._pieces += 1
        return self._file.read(size)


def acting_bytes(data: bytes, act: Callable[[], object]) -> BinaryIO:
    """The bytes as an ActingFile: a source to write from."""
    return cast(BinaryIO, ActingFile(io.BytesIO(data), act))


class Acting:
    """A storage whose first opened file with a path that ends with `path` is an ActingFile."""

    def __init__(self, storage: Storage, path: str, act: Callable[[], object]) -> None:
        self._storage, self._path = storage, path
        self._act: Callable[[], object] | None = act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def open(self, path: str) -> BinaryIO:
        file = self._storage.open(path)
        if not path.endswith(self._path):
            return file
        act, self._act = self._act, None
        return cast(BinaryIO, ActingFile(file, act))


def acting(upload: Upload, path: str, act: Callable[[], object]) -> Upload:
    """The upload, on an Acting storage."""
    storage = cast(Storage, Acting(upload.root.storage, path, act))
    return replace(upload, root=replace(upload.root, storage=storage))


def bytes_below(folder: Path) -> dict[str, bytes]:
    """The bytes of every file in a folder of this machine and below it, by path relative to it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def upload_in(folder: Path) -> Upload:
    """The upload in a folder of this machine; its root is the folder above."""
    return Upload.at(open_roots([folder.absolute().parent.as_uri()]), str(folder.absolute()))


def files_of(folder: Path) -> Source:
    """A folder's files as the artifact store takes them."""
    return Source(Folder(folder))
