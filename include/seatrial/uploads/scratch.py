"""A folder for what is fetched, gone when the work ends; what a killed process left is swept by the next."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seatrial.errors import TryAgain

PREFIX = "seatrial-fetched-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder in the system's temporary one (TMPDIR), which only this user may enter.

    It is locked while its process lives, whatever ends that; folders that nobody holds are removed first. Raises
    TryAgain when none can be made.
    """
    try:
        sweep()
        folder, lock = _locked()
    except OSError as error:
        raise TryAgain(f"no folder in {tempfile.gettempdir()}: {error.strerror or error}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep() -> None:
    """Remove the folders of this user that killed processes left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody else's, in use, or swept by another at this moment
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.getuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
            finally:
                os.close(lock)


def _locked() -> tuple[Path, int]:
    """A new folder and what holds it: another's sweep may remove one before it is locked, and then it is not taken."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)
