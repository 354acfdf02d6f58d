"""The log file of one Inference Server: written by its processes, kept short by whoever looks after the server.

The processes append to `server.log` through a file that they were given at their start: no pipe, whose reader could
die and take the server with it, and no logger process, which would be one more thing to look after. What is too much
is cut off in place: the last lines go to `server.log.1`, the file is emptied, and since it is open for appending the
next line lands at its beginning. Lines written between the copy and the cut are lost; a log that is cut has too many.

While no manager runs nobody cuts: then the limit on the size of a file holds, which each server process is given
(`confinement.py`). It goes on serving without a log.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from seatrial.serving.triton_log import telling

LOG, FORMER = "server.log", "server.log.1"
LIMIT = 8 * 2**20
"""Bytes of a log that is cut: hours of an ordinary server."""

KEPT = 2**20
"""Bytes that stay of a log that is cut."""

KEPT_LINES = KEPT
"""More lines than are kept of any log: to ask for all of them."""


def log_tail(folder: Path, lines: int = 30) -> tuple[str, ...]:
    """The last lines of a replica's log that say something, oldest first, see `telling`. Without a log there are none.

    At most the last MiB is looked at, reaching into what was cut off.
    """
    text = _end(folder / LOG)
    if len(text) < KEPT:
        text = _end(folder / FORMER) + text
    return telling(text[-KEPT:].decode(errors="replace"))[-lines:] if lines > 0 else ()


def cut_log(folder: Path, limit: int = LIMIT) -> None:
    """Cut the log in `folder` when it is longer than `limit` bytes. One that is not there is no error."""
    log = folder / LOG
    with suppress(OSError):
        size = log.stat().st_size
        if size <= limit:
            return
        with suppress(OSError):  # a full disk: then the space is worth more than the lines
            (folder / FORMER).write_bytes(_end(log))
        os.truncate(log, 0)
        note = f"seatrial: the log passed {limit} bytes; {size} were cut off, the last of them are in {FORMER}\n"
        with log.open("ab") as file:
            file.write(note.encode())


def _end(file: Path) -> bytes:
    """The last `KEPT` bytes of a file; none of one that cannot be read."""
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, os.fstat(opened.fileno()).st_size - KEPT))
            return opened.read(KEPT)
    except OSError:
        return b""
