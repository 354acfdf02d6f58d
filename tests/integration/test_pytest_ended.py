"""What tests have started is cleared up also when pytest is ended before its time."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.waiting import Deadline, wait_until

ROOT = Path(__file__).parents[2]
WAITS = """
import pathlib, signal, pytest

@pytest.fixture
def server():
    pathlib.Path("started").touch()
    yield
    pathlib.Path("cleared").touch()

def test_waits(server):
    signal.pause()
"""

# A background shell hands SIGINT down ignored, and Python leaves it so.
PYTEST = """
import signal, sys, pytest
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(pytest.main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_pytest_has_the_fixtures_clear_up(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "conftest.py").write_bytes((ROOT / "tests" / "conftest.py").read_bytes())
    (tmp_path / "test_waits.py").write_text(WAITS)
    with (tmp_path / "output").open("wb") as output:
        run = subprocess.Popen([sys.executable, "-c", PYTEST], cwd=tmp_path, stdout=output, stderr=output)
    try:
        wait_until((tmp_path / "started").exists, Deadline.after(60), "the test runs")
        run.send_signal(number)
        run.wait(60)
    finally:
        run.kill()
    assert (tmp_path / "cleared").exists(), (tmp_path / "output").read_text()
