"""Files that are removed only when nobody has renewed them, on a storage that has no locks."""

from __future__ import annotations

import secrets
from typing import BinaryIO

from seatrial.errors import NotFound
from seatrial.storage.port import Nowhere, Storage

ASIDE, DAMAGED = "removing", "damaged"


class RenewedFiles:
    """Who relies on a file renews it first; `remove` takes a file aside under a name that nobody else uses, where
    nobody can renew it, and looks at it there once more.

    A renewal before the taking aside is seen in that look, and the file goes back; one after it finds the file missing,
    and its caller writes it. Who dies in between leaves the file aside: whoever misses a file looks there too, and the
    next `put_all_back` does. What comes back is young, since a renewal may have been the reason.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def renew(self, path: str) -> bool:
        """Make a file young. Whether it is there: then no `remove` takes it before it is old again."""
        if self._storage.touch(path):
            return True
        self._put_back(path)
        return self._storage.touch(path)

    def read(self, path: str, into: BinaryIO) -> str:
        """`Storage.read`, also while the file is aside. `into` is empty before."""
        try:
            return self._storage.read(path, into)
        except NotFound:
            self._put_back(path)
            into.seek(0)
            into.truncate()
            return self._storage.read(path, into)

    def remove(self, path: str, older_than_s: float) -> bool:
        """Remove a file that nobody has renewed for so long. Whether it was removed."""
        if not self._is_older(path, older_than_s):
            return False
        aside = _name(ASIDE, path)
        self._storage.rename(path, aside)
        if self._is_older(aside, older_than_s):
            return self._storage.remove(aside)
        self._put_back(path)
        return False

    def set_damaged_aside(self, path: str, sha256: str) -> bool:
        """Move a file away for good, so that the next put writes it anew, unless its bytes have the digest `sha256`.

        Whether it was moved. It is read once more where nobody can replace it: it may have been replaced meanwhile.
        """
        aside = _name(ASIDE, path)
        self._storage.rename(path, aside)
        try:
            if self._storage.read(aside, Nowhere()) != sha256:
                return self._storage.rename(aside, _name(DAMAGED, path))
        except NotFound:  # somebody who missed it has put it back
            return False
        self._put_back(path)
        return False

    def was_damaged(self, path: str) -> bool:
        """Whether such a file was moved away, and stays to be looked at."""
        return any(_home(entry.name) == path for entry in self._storage.entries(DAMAGED))

    def put_all_back(self) -> None:
        """Put back what others have taken aside, and have died or are about to look at."""
        for path in {_home(entry.name) for entry in self._storage.entries(ASIDE)}:
            if path:  # not a stranger's
                self._put_back(path)

    def _put_back(self, path: str) -> None:
        """Young before it is there: it may replace another one of the same bytes that somebody has just put."""
        for entry in self._storage.entries(ASIDE):
            aside = f"{ASIDE}/{entry.name}"
            if _home(entry.name) == path and self._storage.touch(aside):
                self._storage.rename(aside, path)

    def _is_older(self, path: str, than_s: float) -> bool:
        found = self._storage.look(path)
        return found is not None and found.age_s > than_s


def _name(folder: str, path: str) -> str:
    """A name for a file of `path` that nobody else uses."""
    return f"{folder}/{path.replace('/', '~')}~{secrets.token_hex(8)}"


def _home(name: str) -> str:
    return name.rpartition("~")[0].replace("~", "/")
