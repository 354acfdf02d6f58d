"""Ports for the servers of tests, which may run in two processes at a time."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from random import SystemRandom

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Which of pytest's processes this is."""

MANAGER = 8840 + 100 * WORKER
"""Where managers start to look for a free one: no other process of pytest takes what one here has left for a moment."""

_UNUSED = range(30000, 32768)
"""Between those of Inference Servers and those that Linux hands to outgoing connections."""


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Ports that nobody is handed later, so that a server that is started again finds them still free."""
    found: set[int] = set()
    while len(found) < count:
        port = SystemRandom().choice(_UNUSED)
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            found.add(port)
    return sorted(found)
