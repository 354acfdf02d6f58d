"""Which processes have ended is told by the kernel, or asked for where it does not tell."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from seatrial.serving.exits import Exits
from seatrial.serving.processes import ProcessId, identify


@pytest.fixture
def waiting() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two processes that end when they are killed."""
    program = [sys.executable, "-c", "input()"]
    processes = [subprocess.Popen(program, stdin=subprocess.PIPE) for _ in range(2)]
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def identities(processes: list[subprocess.Popen[bytes]]) -> list[ProcessId]:
    found = [identify(process.pid) for process in processes]
    return [process for process in found if process is not None]


def test_of_processes_that_run_none_is_suspected_and_one_that_ends_is(waiting: list[subprocess.Popen[bytes]]) -> None:
    first, second = identities(waiting)
    with closing(Exits([first, second])) as exits:
        assert exits.suspects() == []
        waiting[1].kill()
        os.waitid(os.P_PID, second.pid, os.WEXITED | os.WNOWAIT)
        assert exits.suspects() == [second]
        waiting[1].wait()
        assert exits.suspects() == [second], "also when its parent has asked for its status"


def test_a_process_whose_pid_another_one_has_now_is_suspected(waiting: list[subprocess.Popen[bytes]]) -> None:
    former = ProcessId(waiting[0].pid, "another boot/1")
    with closing(Exits([former])) as exits:
        assert exits.suspects() == [former]


def test_where_the_kernel_does_not_tell_all_are_suspected(
    waiting: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_: int) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", unknown)
    processes = identities(waiting)
    with closing(Exits(processes)) as exits:
        assert exits.suspects() == processes
