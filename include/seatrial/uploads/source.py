"""One upload, wherever it is: listed within limits, fetched for its check, and read by digest afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import NotFound, Refused, TryAgain, UploadRefused
from seatrial.settings import TreeLimits
from seatrial.storage.concurrent import at_once
from seatrial.storage.local import CHUNK
from seatrial.storage.port import Entry
from seatrial.storage.sources import Source
from seatrial.uploads.roots import UploadRoot, locate
from seatrial.uploads.tree import FileFacts, Item, changed, check_same, list_files
from seatrial.waiting import Deadline


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

    @property
    def folder(self) -> Path | None:
        """Where it is on this machine; None on HDFS."""
        return self.root.folder.resolve() / self.path if self.root.folder else None

    @property
    def source(self) -> Source:
        """Its files, to be read by their digests."""
        return Source(self.root.storage, self.path)

    def files(self, limits: TreeLimits) -> dict[str, FileFacts]:
        """Its regular files by path relative to it, in order, without the marker; nothing is opened.

        Raises UploadRefused for what `list_files` refuses, and for an upload that is not there.
        """
        return list_files(self._items, limits)

    def fetch(self, into: Path, deadline: Deadline, limits: TreeLimits) -> dict[str, FileFacts]:
        """Copy all files to the empty folder `into` and return what `files` has found before and again afterwards.

        Nothing is opened before all is within `limits`, and of no file more is written than its listed size. Raises
        UploadRefused for what `files` refuses and for what came, went or was written meanwhile, TryAgain when `into`
        has no space or `deadline` has passed; then `into` holds a part.
        """
        before = self.files(limits)
        size, free = sum(file.size for file in before.values()), shutil.disk_usage(into).free
        if size > free:
            raise TryAgain(f"{self.name} has {size} bytes, and where it is fetched to, {into}, {free} are free")
        at_once(lambda path, facts: self._fetch(path, facts.size, into / path, deadline), before)
        self.check_unchanged(before, limits)
        return before

    def check_unchanged(self, before: dict[str, FileFacts], limits: TreeLimits) -> None:
        """Raise UploadRefused naming the first file that came, went or was written since `files` gave `before`."""
        check_same(before, self.files(limits))

    def _fetch(self, path: str, size: int, target: Path, deadline: Deadline) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with self.root.storage.open(f"{self.path}/{path}") as file, target.open("xb") as copy:
                while piece := file.read(CHUNK):
                    if copy.tell() + len(piece) > size:
                        raise changed(path)
                    if deadline.passed:
                        raise TryAgain(f"{self.name}: the time to fetch it ran out at {path}", file=path)
                    copy.write(piece)
        except (NotFound, Refused) as error:
            raise changed(path) from error
        except OSError as error:
            raise TryAgain(f"{path} could not be fetched to {target}: {error.strerror or error}", file=path) from error

    def _items(self, below: str, most: int) -> list[Item]:
        folder = f"{self.path}/{below}" if below else self.path
        try:
            found = self.root.storage.entries(folder, most)
            here = None if found else self.root.storage.look(folder)
        except Refused as error:  # deeper or longer than a storage takes, with what is above the upload
            raise UploadRefused(error.message, file=below or ".") from error
        if not found and not (here and here.is_folder):
            raise UploadRefused("cannot be listed: there is no such folder", file=below or ".")
        return [_item(entry) for entry in found]


def _item(entry: Entry) -> Item:
    kind = "a symbolic link or a special file" if entry.is_special else "folder" if entry.is_folder else "file"
    return Item(entry.name, kind, FileFacts(entry.bytes, entry.modified_ns))
