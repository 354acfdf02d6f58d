"""What is started is stopped, grandchildren too; what ran before is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from quickstart.processes import Children
from seatrial.waiting import Deadline, wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
# its child outlives it, and is nobody's then
FORKS = [sys.executable, "-c", f"import subprocess; print(subprocess.Popen({SLEEP!r}).pid, flush=True)"]


def test_grandchildren_that_lost_their_parent_are_stopped_and_processes_from_before_go_on(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEP) as before:
        children = Children()
        log = tmp_path / "log"
        children.start("one", SLEEP, env=os.environ, log=log, stop=signal.SIGTERM, cwd=tmp_path)
        forking = children.start("two", FORKS, env=os.environ, log=log, stop=signal.SIGTERM, cwd=tmp_path)
        forking.wait(60)
        wait_until(lambda: log.read_text().strip(), Deadline.after(60), "the grandchild is named")
        grandchild = int(log.read_text())
        assert psutil.pid_exists(grandchild)
        children.stop(lambda _: None)
        assert not psutil.pid_exists(grandchild)
        assert before.poll() is None
        before.kill()
