"""Since when an instance has worked on what it was asked: one file each, for whoever looks after the server.

Triton counts a request when it has ended, so from outside an instance that hangs looks like one that is idle. The file
is mapped into memory: a mark costs less than a microsecond. Both sides import this module, so it knows neither.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Iterable
from pathlib import Path

PATTERN = "working-*"
_MOMENT = struct.Struct("d")
_IDLE = 0.0


class Working:
    """`with working:` around the work. Moments are seconds on the monotonic clock, which all processes share."""

    def __init__(self, folder: Path, instance: str) -> None:
        path = folder / PATTERN.replace("*", instance)
        path.write_bytes(_MOMENT.pack(_IDLE))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _MOMENT.size)

    def __enter__(self) -> None:
        _MOMENT.pack_into(self._memory, 0, time.monotonic())

    def __exit__(self, *_: object) -> None:
        _MOMENT.pack_into(self._memory, 0, _IDLE)


def longest_s(marks: Iterable[Path], now: float) -> float:
    """For how long the instance that has worked longest on what it has now has done so; 0 when all are idle."""
    return max((now - began for began in map(_began, marks) if began != _IDLE), default=0.0)


def _began(mark: Path) -> float:
    """It is a model's to write and may be anything: a pipe too, for which nobody waits."""
    try:
        handle = os.open(mark, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            return float(_MOMENT.unpack(os.read(handle, _MOMENT.size))[0])
        finally:
            os.close(handle)
    except (OSError, struct.error):
        return _IDLE
