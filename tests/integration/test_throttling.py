"""A CPU quota of the kernel that the tests run on, where it lets us have one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from seatrial.profiling.throttling import throttled
from seatrial.serving.cgroups import Cgroup, own_cgroups
from seatrial.waiting import Deadline, wait_until

QUOTA = {
    "cgroup v2": {"cpu.max": "5000 100000"},
    "cgroup v1": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "5000"},
}
"""A twentieth of a core."""


@pytest.fixture
def with_quota() -> Iterator[Cgroup]:
    memberships, mounts = Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text()
    for own in own_cgroups(memberships, mounts, "cpu"):
        made = own.path / f"seatrial-test-{os.getpid()}"
        with suppress(OSError):
            made.mkdir()
        try:
            for name, value in QUOTA[own.kind].items():
                (made / name).write_text(value)
        except OSError:
            with suppress(OSError):
                made.rmdir()
            continue
        yield Cgroup(own.kind, made)
        wait_until(lambda made=made: _removed(made), Deadline.after(20), "the cgroup is empty")
        return
    pytest.skip("this machine lets us have no CPU quota")


def _removed(folder: Path) -> bool:
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def test_what_a_quota_holds_back_is_counted_for_a_process_in_a_cgroup_below_it_too(with_quota: Cgroup) -> None:
    below = with_quota.path / "below"
    below.mkdir()
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        (below / "cgroup.procs").write_text(str(burner.pid))
        before = throttled(burner.pid)
        assert before is not None
        wait_until(lambda: _held_back_s(burner.pid) > before.seconds + 0.2, Deadline.after(60), "the quota bites")
    finally:
        burner.kill()
        burner.wait()
        wait_until(lambda: _removed(below), Deadline.after(20), "the cgroup is empty")


def _held_back_s(pid: int) -> float:
    found = throttled(pid)
    return 0.0 if found is None or not found.times else found.seconds
