"""Looking at the folder that uploads arrive in. Nothing is opened, only listed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from seatrial.storage.paths import DEEPEST_PATH
from seatrial.uploads.settling import Entry, Observation
from seatrial.uploads.tree import MARKER, TreeLimits


def observe(root: Path, most_files: int = TreeLimits.files) -> list[Observation]:
    """The uploads below `root` as they are now, by path; none when `root` does not exist.

    An upload is `root/<any>/` when that folder has a file of its own (a manifest, the marker, or anything: one without
    manifest must end in a run that says so), else each `root/<any>/<any>/` that has a file anywhere below it. Names
    that start with `.` or `_` and symbolic links are not looked into. What vanishes meanwhile is left out. Of a folder
    with more than `most_files` files only the first ones are listed.
    """
    found = []
    for outer in _folders(root):
        if any(entry.is_file(follow_symlinks=False) for entry in _entries(outer)):
            found.append(_observe(outer, most_files))
        else:
            inner = [_observe(folder, most_files) for folder in _folders(outer)]
            found += [upload for upload in inner if upload.entries or upload.has_marker]
    return found


def _observe(folder: Path, most: int) -> Observation:
    entries: list[Entry] = []
    marker_ns: int | None = None
    for path, status in _walk(folder, "", DEEPEST_PATH + 1):
        if path == MARKER:
            marker_ns = status.st_mtime_ns
            continue
        entries.append((path, status.st_size, status.st_mtime_ns))
        if len(entries) > most:
            break
    # A marker that is older than a file belongs to the former upload: this one is still being written over it.
    whole = marker_ns is not None and all(modified_ns <= marker_ns for _, _, modified_ns in entries)
    return Observation(str(folder), tuple(sorted(entries)), whole)


def _walk(folder: Path, below: str, levels: int) -> Iterator[tuple[str, os.stat_result]]:
    for entry in _entries(folder / below):
        path = f"{below}/{entry.name}" if below else entry.name
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISDIR(status.st_mode) and levels:
            yield from _walk(folder, path, levels - 1)
        else:
            yield path, status


def _folders(folder: Path) -> list[Path]:
    return [
        Path(entry.path)
        for entry in _entries(folder)
        if not entry.name.startswith((".", "_")) and entry.is_dir(follow_symlinks=False)
    ]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
