"""Relative paths that come from outside: which are accepted, and how a file below a folder is opened."""

from __future__ import annotations

import os
import re
import shutil
import stat
import unicodedata
from pathlib import Path
from typing import BinaryIO

LONGEST_PATH = 512
DEEPEST_PATH = 16
TEMPLATE_MARKS = ("{{", "{%", "{#")
# Devices on Windows, with any ending; and names whose last character it drops.
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*[. ]", re.IGNORECASE)


def path_flaw(path: str) -> str | None:
    """Why `path` may not name a file below a folder, or None when it may.

    Accepted: relative, `/` between segments, no `.` or `..` segment, printable, at most 512 characters and 16 levels.
    No segment may be taken for an option of a command, a template, a device, or for another name that looks the same.
    """
    segments = path.split("/")
    if not path or path.startswith("/"):
        return "is not a relative path"
    if not path.isprintable() or "\\" in path:
        return "holds characters that a path may not have"
    if len(path) > LONGEST_PATH or len(segments) > DEEPEST_PATH:
        return f"is longer than {LONGEST_PATH} characters or deeper than {DEEPEST_PATH} levels"
    if any(segment in ("", ".", "..") for segment in segments):
        return "leaves its folder or has an empty segment"
    if any(segment.startswith("-") for segment in segments):
        return "could be taken for an option of a command"
    if any(mark in path for mark in TEMPLATE_MARKS):
        return "could be taken for a template"
    if any(RESERVED.fullmatch(segment) for segment in segments):
        return "has a segment that is reserved on other systems"
    if unicodedata.normalize("NFKC", path) != path:
        return "holds characters that stand for others"
    return None


def open_beneath(folder: Path, path: str) -> BinaryIO:
    """Open the regular file `path` below `folder` for reading, following no symbolic link below `folder`.

    Each segment is opened relative to the one before, so a folder exchanged for a link meanwhile is not followed.
    Raises OSError: also for links, FIFOs, devices and for paths that `path_flaw` finds fault with.
    """
    flaw = path_flaw(path)
    if flaw:
        raise OSError(f"{path!r} {flaw}")
    *parents, name = path.split("/")
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for parent in parents:
            below = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            os.close(at)
            at = below
        # O_NONBLOCK: opening a FIFO would wait for a writer for ever.
        found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
    finally:
        os.close(at)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(f"{path!r} is not a regular file")
    return os.fdopen(found, "rb")


def copy_beneath(folder: Path, path: str, target: Path) -> None:
    """Copy the regular file `path` below `folder` to `target`, whose folder is made. Raises OSError as open_beneath."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_beneath(folder, path) as file, target.open("wb") as copy:
        shutil.copyfileobj(file, copy, 2**20)
