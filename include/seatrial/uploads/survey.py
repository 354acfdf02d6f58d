"""What is below an upload's folder, from listings alone: nothing is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from seatrial.storage.paths import path_flaw
from seatrial.storage.port import Entry
from seatrial.uploads.settling import Observation
from seatrial.uploads.tree import MARKER

Lister = Callable[[str], Sequence[Entry]]
"""The entries of a folder, given as a path below the upload root; none for one that is not there."""


def folders(entries: Iterable[Entry]) -> list[Entry]:
    """Those that may be an upload or a group of some: names that begin with `.` or `_` are somebody's work in hand."""
    return [entry for entry in entries if entry.is_folder and not entry.name.startswith((".", "_"))]


def observe(name: str, path: str, entries: Sequence[Entry], lister: Lister, most: int) -> Observation:
    """The upload called `name` as it is now; `entries` are those of its folder, which is `path` below the root.

    Folders that cannot be listed count as a file: the check will refuse them. Of an upload with more than `most` files
    only the first ones are seen, and its marker.
    """
    marker = next((entry for entry in entries if entry.name == MARKER and not entry.is_folder), None)
    others = ((at, entry) for at, entry in walk(path, entries, lister) if entry is not marker)
    files = [(at, entry.bytes, entry.modified_ns) for at, entry in islice(others, most + 1)]
    # A marker that is older than a file belongs to the former upload: this one is still being written over it.
    whole = marker is not None and all(modified_ns <= marker.modified_ns for _, _, modified_ns in files)
    return Observation(name, tuple(sorted(files)), whole)


def walk(folder: str, entries: Iterable[Entry], lister: Lister, below: str = "") -> Iterator[tuple[str, Entry]]:
    """What is no folder below `folder`, in order, by paths relative to it; `entries` are those of `folder`/`below`.

    Also folders that cannot be listed, as they cannot be named, or lie too deep.
    """
    for entry in sorted(entries, key=lambda entry: entry.name):
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.is_folder and not path_flaw(f"{folder}/{path}"):
            yield from walk(folder, lister(f"{folder}/{path}"), lister, path)
        else:
            yield path, entry
