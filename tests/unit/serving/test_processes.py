"""What belongs to a replica is ended, and nothing of it stays in the table of processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from seatrial.serving.processes import end, spawn

WAITS = (sys.executable, "-c", "import signal; signal.pause()")


@pytest.mark.parametrize("recorded", [True, False])
def test_an_ended_child_is_no_zombie_whether_its_record_is_known_or_not(tmp_path: Path, recorded: bool) -> None:
    """A child whose status nobody asks for is one until this process ends, and Python warns of it then."""
    folder = tmp_path / "replica"
    folder.mkdir()
    process = spawn(WAITS, os.environ, folder, tmp_path / "log", sorted(os.sched_getaffinity(0)))
    end(process if recorded else None, folder, grace_s=0)
    assert not psutil.pid_exists(process.pid)
