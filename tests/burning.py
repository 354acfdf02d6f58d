"""Other work on some cores of the machine, for as long as a block runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def burning(cores: Collection[int]) -> Iterator[None]:
    """A process on each of the cores that computes without end."""
    with ExitStack() as stack:
        for core in cores:
            command = [sys.executable, "-c", "while True: pass"]
            process = started_on({core}, lambda c=command: subprocess.Popen(c))
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def started_on(cores: Collection[int], start: Callable[[], T]) -> T:
    """What `start` gives; the processes that it starts are born on those cores and stay there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        return start()
    finally:
        os.sched_setaffinity(0, before)
