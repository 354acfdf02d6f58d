"""Storages of each kind for tests, and what is done to them behind their backs."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
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

    def bytes_of(self, path: str) -> bytes:
        data = io.BytesIO()
        self.storage.read(path, data)
        return data.getvalue()

    def names(self, folder: str = "") -> list[str]:
        return sorted(entry.name for entry in self.storage.entries(folder))


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


def upload_in(folder: Path) -> Upload:
    """The upload in a folder of this machine; its root is the folder above."""
    return Upload.at(open_roots([folder.absolute().parent.as_uri()]), str(folder.absolute()))


def files_of(folder: Path) -> Source:
    """A folder's files as the artifact store takes them."""
    return Source(Folder(folder))
