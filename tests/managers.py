"""Real Inference Managers for tests: `seatrial-manager` in a process of its own, on a home folder of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import SeatrialError
from seatrial.settings import Settings
from seatrial.waiting import Deadline, wait_until
from tests.ports import MANAGER


def environ_of(home: Path, **settings: str) -> dict[str, str]:
    """The environment of a manager on `home`, and of its callers: that, `settings`, and nothing of this machine's.

    Other tests run beside: what they use of a server's cores is noted in what is measured, and stops nothing.
    """
    return {
        "SEATRIAL_HOME": str(home),
        "SEATRIAL_STOP_SERVERS": "1",
        "SEATRIAL_OTHER_WORK_CORES": "any",
        "PYTHONPATH": ":".join(sys.path),
        "HOME": str(home),
        **settings,
    }


PROGRAM = ("-m", "seatrial.manager")


@contextmanager
def managers(
    *environs: dict[str, str],
    port: int = MANAGER,
    program: tuple[str, ...] = PROGRAM,
    python: str | Path = sys.executable,
) -> Iterator[list[ManagerAPI]]:
    """Managers that are started at the same moment; inside, each answers. Their logs are `manager.log` in each home."""
    with ExitStack() as stack:
        processes = [stack.enter_context(_process(environ, port, [str(python), *program])) for environ in environs]
        apis = []
        for environ, process in zip(environs, processes, strict=True):
            wait_until(lambda e=environ, p=process: _answers(e, p), Deadline.after(60), "the manager answers")
            settings = Settings.read(environ)
            apis.append(stack.enter_context(ManagerAPI(settings.manager_url, settings.token)))
        yield apis


@contextmanager
def _process(environ: dict[str, str], port: int, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    home = Path(environ["SEATRIAL_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    with (home / "manager.log").open("ab") as log:
        process = subprocess.Popen([*command, "--port", str(port)], env=environ, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _answers(environ: dict[str, str], process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, (Path(environ["SEATRIAL_HOME"]) / "manager.log").read_text()
    settings = Settings.read(environ)
    try:
        with ManagerAPI(settings.manager_url, settings.token, timeout_s=5) as api:
            return bool(api.health()["pid"] == process.pid)
    except SeatrialError:
        return False
