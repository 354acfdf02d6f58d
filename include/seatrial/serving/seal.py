"""Whether the files of a model repository are still those that were written, verified by digest.

A model runs as the manager's user, so rights alone would not stop it from writing there: they are taken away, and what
is changed all the same is seen by the moment of its last change, which no process can set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

OWN = "__pycache__"
"""Triton's Python compiles our model.py into this folder beside it."""


def seal(repository: Path) -> dict[str, str]:
    """Take the right to write from every file, and note what each one is now: path → a word."""
    for path in repository.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
    return _state(repository)


def broken_seal(repository: Path, sealed: Mapping[str, str]) -> str | None:
    """The first file that was changed, added or removed since `seal` gave `sealed`; None while all is as it was."""
    now = _state(repository)
    return next((path for path in sorted(now.keys() | sealed.keys()) if now.get(path) != sealed.get(path)), None)


def _state(repository: Path) -> dict[str, str]:
    return {
        str(path.relative_to(repository)): _word(path)
        for folder, _, names in os.walk(repository)  # a third of rglob's time, for fifty repositories again and again
        if Path(folder).name != OWN
        for path in (Path(folder, name) for name in names)
    }


def _word(path: Path) -> str:
    status = path.lstat()
    return f"{status.st_ino}/{status.st_size}/{status.st_ctime_ns}"
