"""An upload on its way: a folder beside the uploads whose name begins with `.`, which no watcher looks into."""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from seatrial.errors import Conflict, SeatrialError
from seatrial.storage.paths import path_flaw
from seatrial.storage.port import Entry, Storage
from seatrial.uploads.survey import walk
from seatrial.uploads.tree import MARKER

INCOMING = ".incoming-"
DEAD_AFTER_S = 2 * 86_400.0
"""After so long without a new file in it, an upload that did not arrive is removed by the next one to that root.
Nobody's work is lost by it: who still sends finds files missing, and sends them again."""


@dataclass(frozen=True)
class Incoming:
    """The folder that one call builds an upload in. Nobody else knows its name, so nobody else writes there.

    It begins with what is sent where (`kind`), so a later call for the same finds the folder of one that died, and
    takes it by renaming it. One that is still at work loses its folder so: whatever it goes on to write lands in
    another one, which is never published, as `lacks` sees that files are missing.
    """

    storage: Storage
    folder: str

    @classmethod
    def take(cls, storage: Storage, name: str, tree: str, there: Iterable[Entry]) -> Incoming:
        """A folder for the upload `name` of the files with the digest `tree`: that of an earlier call, which is among
        what stands `there` in the root, or a new one."""
        kind = f"{INCOMING}{hashlib.sha256(f'{name}/{tree}'.encode()).hexdigest()[:16]}-"
        mine = cls(storage, kind + secrets.token_hex(8))
        for entry in there:
            if entry.is_folder and entry.name.startswith(kind) and storage.rename_folder(entry.name, mine.folder):
                break
        return mine

    def lacks(self, sizes: Mapping[str, int]) -> set[str]:
        """Which of the files (path → bytes) are not there. Whatever else is there is removed, and all the rest with
        what has a name that no storage takes."""
        found = files_below(self.storage, self.folder)
        if any(map(path_flaw, found)):
            self.remove()
            return set(sizes)
        for path in found.keys() - sizes.keys() - {MARKER}:
            self.storage.remove(f"{self.folder}/{path}")
        return {path for path, size in sizes.items() if found.get(path) != size}

    def publish(self, name: str, tree: str, sizes: Mapping[str, int]) -> bool:
        """Make it the upload `name`: in one step, after the marker is there, if all files are.

        False when something stands there: another upload, or this one, after an answer that was lost. Raises Conflict
        when another call goes on with it.
        """
        marker = marker_of(tree)
        self.storage.write(f"{self.folder}/{MARKER}", io.BytesIO(marker), hashlib.sha256(marker).hexdigest())
        # Nothing is written from here on: had another call taken the folder, files would be missing in what is there.
        lacking = self.lacks(sizes)
        try:
            if not lacking and self.storage.rename_folder(self.folder, name):
                return True
        except Conflict:
            return False
        if self.storage.look(name):
            return False
        raise Conflict("another call goes on with this upload", upload=name)

    def remove(self) -> None:
        remove_aside(self.storage, self.folder)


def is_whole(storage: Storage, name: str, tree: str, sizes: Mapping[str, int]) -> bool:
    """Whether the upload `name` is there and is these files, by its marker and by their sizes."""
    into = io.BytesIO()
    try:
        storage.read(f"{name}/{MARKER}", into)
    except SeatrialError:
        return False
    found = files_below(storage, name)
    found.pop(MARKER, None)
    return into.getvalue() == marker_of(tree) and found == dict(sizes)


def marker_of(tree: str) -> bytes:
    """What the marker holds: any content says that the upload is complete, this one also says which it is."""
    return f"{tree}\n".encode()


def remove_dead(storage: Storage, there: Iterable[Entry]) -> None:
    """Remove what died on its way long ago, of what stands `there` in the root, as far as this user may."""
    for entry in there:
        if entry.is_folder and entry.name.startswith(INCOMING) and entry.age_s > DEAD_AFTER_S:
            with suppress(SeatrialError):
                remove_aside(storage, entry.name)


def remove_aside(storage: Storage, folder: str) -> None:
    """Take it out of everybody's reach first: nobody may go on with a folder that is half removed."""
    aside = f"{INCOMING}removed-{secrets.token_hex(8)}"
    if storage.rename_folder(folder, aside):
        storage.remove_folder(aside)


def files_below(storage: Storage, folder: str) -> dict[str, int]:
    """Bytes of the files by paths relative to `folder`; -1 for what is no file, and for folders that no upload has."""
    found = walk(folder, storage.entries(folder), storage.entries)
    return {path: -1 if entry.is_folder or entry.is_special else entry.bytes for path, entry in found}
