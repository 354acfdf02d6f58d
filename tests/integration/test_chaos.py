"""A short run of what `make test-chaos` does: one kill of the manager in each step, each replica, a reboot. And
one that is ended before its time."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from random import SystemRandom

import pytest

from seatrial.waiting import Deadline, wait_until
from tests.chaos.__main__ import chaos
from tests.processes import all_of, has

ROOT = Path(__file__).parents[2]


def test_what_is_wanted_is_reached_again_whatever_is_killed(tmp_path: Path) -> None:
    summary = chaos(tmp_path / "home", kills=3, seed=SystemRandom().randrange(10**6))
    assert summary["ok"], summary


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_by_a_signal_leaves_no_process_and_no_folder(
    tmp_path: Path, number: signal.Signals
) -> None:
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    with (tmp_path / "output").open("wb") as output:
        run = subprocess.Popen(
            ["make", "test-chaos"], cwd=ROOT, env=environ, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until(lambda: has(tmp_path, "tritonserver"), Deadline.after(120), "a server runs", longest_s=0.2)
        if number == signal.SIGINT:
            os.killpg(run.pid, number)  # what a terminal does on Ctrl-C
        else:
            run.send_signal(number)
        assert run.wait(60) != 0
        wait_until(lambda: not all_of(tmp_path), Deadline.after(60), "nothing that was started is alive")
        assert list(tmp_path.glob("seatrial-chaos-*")) == []
    finally:
        for process in all_of(tmp_path):
            process.kill()
