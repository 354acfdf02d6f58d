"""The storage port: a tree of files in a folder of this machine or on HDFS. What is there is there whole."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from seatrial.errors import Refused
from seatrial.storage.paths import path_flaw


@dataclass(frozen=True)
class Entry:
    """What stands under a name. `age_s`: seconds since its last write or touch, by the storage's own clock; may be
    negative. `modified_ns`: when that was, in ns since 1970 by that clock (HDFS counts ms). A folder's is the last
    time that something came, went or was renamed in it. `is_special`: neither file nor folder but a symbolic link, a
    FIFO or a device; it is never followed or read.
    """

    name: str
    is_folder: bool
    bytes: int
    age_s: float
    modified_ns: int
    is_special: bool = False


class Storage(Protocol):
    """Paths are relative to the storage's root, with `/` between segments; "" is the root where folders are named.

    Any number of processes may use one storage at once. Every method raises Refused for a path that `path_flaw` finds
    fault with or that the storage cannot have, TryAgain when the storage is away, full or in trouble (a storage that is
    only restarting is waited for, a few seconds), SeatrialError when it denies access. All may be repeated.
    """

    def write(self, path: str, source: BinaryIO, sha256: str) -> None:
        """Store all of `source`, which is seekable, as `path`: readers see what was there before, or all of it.

        Folders above are made. Raises WrongBytes unless the bytes have the digest `sha256`. A writer that dies leaves
        a file whose name begins with WRITING beside `path`; one that raises leaves that at most.
        """

    def open(self, path: str) -> BinaryIO:
        """A file's bytes as a stream, which begins again with `seek(0)`. Raises NotFound; who opens it closes it.

        Reading raises what all methods raise. It goes on where it was cut off: who must know that the bytes are of one
        file compares their digest.
        """

    def read(self, path: str, into: BinaryIO) -> str:
        """Copy a file's bytes to the end of `into` and return their SHA-256 digest, which the caller compares.

        Raises NotFound. On any error `into` may hold a part of the file.
        """

    def look(self, path: str) -> Entry | None:
        """What stands at `path`, if anything."""

    def touch(self, path: str) -> bool:
        """Make a file young. Whether it was there: then whoever renames it from now on finds it young."""

    def entries(self, folder: str, most: int | None = None) -> list[Entry]:
        """What stands in a folder, in no order; nothing for a folder that is not there.

        With `most`, no more than so many, whichever: who must not be flooded asks for one more than it takes.
        """

    def rename(self, source: str, target: str) -> bool:
        """Move a file, age and all, in one step; it replaces a file at `target`. Folders above are made.

        False when there was none, and also when an earlier try moved it and its answer was lost: who must know looks.
        """

    def remove(self, path: str) -> bool:
        """Remove a file. Whether it was there; False also when the answer of an earlier try was lost."""

    def rename_folder(self, source: str, target: str) -> bool:
        """Move a folder with all in it, times and all, in one step. Folders above are made.

        Raises Conflict when anything stands at `target`: nothing is replaced, nothing moves into it. Of racing
        renamings to one target one succeeds (on a folder of this machine, unless all of the folders are empty).
        False when there was no folder, and also when an earlier try moved it and its answer was lost: who must know
        looks.
        """

    def remove_folder(self, path: str) -> bool:
        """Remove a folder with all in it; a killed call may leave a part. Whether there was a folder.

        Nothing outside it is removed: symbolic links go, what they point at stays.
        """


class Nowhere(io.BytesIO):
    """To read a file for its digest alone."""

    def write(self, data: Any, /) -> int:
        return len(data)


def checked(path: str) -> str:
    """`path` itself. Raises Refused for one that may not name a file below a folder."""
    flaw = path_flaw(path)
    if flaw:
        raise Refused(f"storage path: {path[:80]!r} {flaw}", field="path", value=path[:80])
    return path


def check_move(source: str, target: str) -> None:
    """Raise Refused for a path that is none, and for a folder that would be moved into itself."""
    if f"{checked(target)}/".startswith(f"{checked(source)}/"):
        raise Refused(f"storage path: {source[:80]!r} cannot be moved into itself", field="path", value=target[:80])
