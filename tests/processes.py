"""What runs on this machine and belongs to a home folder."""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def all_of(home: Path) -> list[psutil.Process]:
    """Every process but this one whose environment or command line names the home folder."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            named = str(home) in " ".join(process.cmdline()) or str(home) in "".join(process.environ().values())
            if named and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def has(home: Path, name: str) -> bool:
    """Whether one of them is called so; what has ended since still knows its name."""
    return any(name in process.info["name"] for process in all_of(home))
