"""Sees at once, and for one system call, whether any of some processes has ended."""

from __future__ import annotations

import os
import select
from collections.abc import Iterable
from contextlib import suppress

from seatrial.serving.processes import ProcessId, is_alive


class Exits:
    """The kernel tells of each process when it ends (pidfd, Linux 5.3). Where it does not, `is_alive` has to be asked,
    which takes 40 µs: of fifty servers five times a second that is a twentieth of a core."""

    def __init__(self, processes: Iterable[ProcessId]) -> None:
        self._poll = select.poll()
        self._handles: dict[int, ProcessId] = {}
        self._untold: list[ProcessId] = []
        for process in processes:
            self._follow(process)

    def suspects(self) -> list[ProcessId]:
        """Those that may have ended; all others run. It is `is_alive` that says."""
        return [*self._untold, *(self._handles[handle] for handle, _ in self._poll.poll(0))]

    def close(self) -> None:
        """Safe to repeat."""
        while self._handles:
            os.close(self._handles.popitem()[0])

    def _follow(self, process: ProcessId) -> None:
        with suppress(OSError):
            handle = os.pidfd_open(process.pid)
            self._handles[handle] = process
            if is_alive(process):  # asked after: now the handle is of this process, not of a later one with its pid
                self._poll.register(handle, select.POLLIN)
                return
        self._untold.append(process)
