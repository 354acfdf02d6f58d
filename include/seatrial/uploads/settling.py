"""When an upload is complete: pure, from how it was seen and for how long it has been so."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

SeenFile = tuple[str, int, int]

BEING_COPIED = "._COPYING_"
"""How `hdfs dfs -put` and `-cp` call a file until all of it is there."""

EMPTY_TAKES = 12
"""HDFS shows a file that is being written without a byte until its first block is full: 128 MB or the end."""


@dataclass(frozen=True)
class Observation:
    """An upload as it was seen once: `files` are (path in it, bytes, mtime in ns), in order, without the marker.

    `has_marker` says that a `_SUCCESS` file is there and that no file is younger than it.
    """

    name: str
    files: tuple[SeenFile, ...]
    has_marker: bool = False

    @cached_property
    def identity(self) -> str:
        """16 hex digits for place and files: an upload overwritten is another one, with a late marker it is not.

        The place is the path without scheme and NameNodes: with another NameNode in its name it is the same upload.
        """
        text = json.dumps([_path(self.name), self.files], ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _path(name: str) -> str:
    scheme, there, rest = name.partition("://")
    return f"/{rest.partition('/')[2]}" if there and "/" not in scheme else name


def is_complete(found: Observation, same_for_s: float, settle_s: float) -> bool:
    """Whether an upload that has been the same for `same_for_s` seconds is all there.

    With a marker it is at once, without one when it has been the same for `settle_s`; a file without a byte may be one
    that is being written, and takes EMPTY_TAKES times as long. A folder without file and marker never is.
    """
    if found.has_marker:
        return True
    if not found.files or any(path.endswith(BEING_COPIED) for path, _, _ in found.files):
        return False
    takes = EMPTY_TAKES if any(size == 0 for _, size, _ in found.files) else 1
    return same_for_s >= settle_s * takes
