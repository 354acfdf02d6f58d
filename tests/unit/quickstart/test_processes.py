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
IGNORES = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
STUBBORN = [sys.executable, "-c", IGNORES]
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


def test_what_does_not_stop_in_time_is_killed_and_reaped(tmp_path: Path) -> None:
    children, log, said = Children(), tmp_path / "log", list[str]()
    stubborn = children.start("one", STUBBORN, env=os.environ, log=log, stop=signal.SIGTERM, cwd=tmp_path)
    wait_until(lambda: log.read_text().strip(), Deadline.after(60), "it ignores SIGTERM")
    children.stop(said.append, patience_s=0.1)
    assert stubborn.returncode == -signal.SIGKILL
    assert said == ["stopping one", "one did not stop within 0 s: killing it"]
