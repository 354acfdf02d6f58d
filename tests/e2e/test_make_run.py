"""`make run` as a person uses it: it stays up, and a signal to make stops everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from seatrial.waiting import Deadline, wait_until
from tests.processes import all_of, has

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_make_leaves_no_process_alive(tmp_path: Path, number: signal.Signals) -> None:
    home = tmp_path / "home"
    with (tmp_path / "output").open("wb") as output:
        make = subprocess.Popen(
            ["make", "run", f"HOME_DIR={home}"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    try:
        wait_until(lambda: has(home, "tritonserver"), Deadline.after(200), "a trial server runs", longest_s=0.2)
        started = all_of(home) + psutil.Process(make.pid).children(recursive=True)
        assert len(started) > 10, "Airflow, the manager and a server"
        if number == signal.SIGINT:
            os.killpg(make.pid, number)  # what a terminal does on Ctrl-C
        else:
            make.send_signal(number)
        make.wait(120)
        wait_until(lambda: not all_of(home), Deadline.after(60), "nothing that belongs to this home is alive")
        _, alive = psutil.wait_procs(started, timeout=30)
        assert alive == []
    finally:
        for process in all_of(home):
            process.kill()
