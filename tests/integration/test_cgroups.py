"""Cgroups of the kernel that the tests run on, in each version that it lets us have."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.hardware import HardwareOption
from seatrial.serving import cgroups
from seatrial.serving.cgroups import (
    Cgroup,
    leftover,
    limit_memory,
    limit_tasks,
    make_cgroup,
    make_pids_cgroup,
    pids_in,
    remove_cgroup,
    replica_of,
)
from seatrial.serving.confinement import (
    NO_TASK_LIMIT,
    Confinement,
    confine,
    confined,
    memory_flaw,
    tasks_flaw,
)
from seatrial.serving.processes import MARKER, members
from seatrial.waiting import Deadline, wait_until


@pytest.fixture(params=["cgroup v2", "cgroup v1"])
def cgroup(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cgroup]:
    """The cgroup of a replica, in one version only."""
    own = {c: tuple(found for found in cgroups._own(c) if found.kind == request.param) for c in cgroups.CONTROLLERS}
    monkeypatch.setattr(cgroups, "_own", own.__getitem__)
    made = make_cgroup(tmp_path / "tiny-1-00000000")
    if made is None:
        pytest.skip(f"this machine lets us have no {request.param}")
    yield made
    remove_cgroup(made)


def test_a_process_is_found_by_its_cgroup_alone(cgroup: Cgroup, tmp_path: Path) -> None:
    replica = tmp_path / "tiny-1-00000000"
    assert make_cgroup(replica) == cgroup, "a second call gives the same one"
    command = confined(["/bin/sleep", "600"], Confinement(cgroup))
    with subprocess.Popen(command, env={}, start_new_session=True) as process:
        try:
            wait_until(lambda: replica_of(process.pid, tmp_path), Deadline.after(20), "it is in its cgroup")
            assert replica_of(process.pid, tmp_path) == replica
            assert replica_of(process.pid, tmp_path / "another") is None
            assert [member.pid for member in members(replica)] == [process.pid]
            remove_cgroup(cgroup)
            assert cgroup.path.exists(), "not while it holds a process"
        finally:
            process.kill()


def test_a_cgroup_goes_with_those_that_were_made_below_it(cgroup: Cgroup, tmp_path: Path) -> None:
    (cgroup.path / "below" / "deeper").mkdir(parents=True)
    assert leftover(tmp_path) == [(cgroup, tmp_path / "tiny-1-00000000")]
    remove_cgroup(cgroup)
    assert not cgroup.path.exists()
    assert leftover(tmp_path) == []
    remove_cgroup(cgroup)


def test_a_cgroup_whose_last_process_is_still_ending_goes_with_it(
    cgroup: Cgroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed, tried = cgroups._removed, list[bool]()

    def ends_after_the_first_try(wanted: Cgroup) -> bool:
        tried.append(removed(wanted))
        process.kill()
        return tried[-1]

    monkeypatch.setattr(cgroups, "_removed", ends_after_the_first_try)
    with subprocess.Popen(confined(["/bin/sleep", "600"], Confinement(cgroup))) as process:
        wait_until(lambda: pids_in(cgroup), Deadline.after(20), "it is in its cgroup")
        remove_cgroup(cgroup)
    assert not tried[0]
    assert not cgroup.path.exists()


def test_a_process_outside_its_cgroup_is_not_within_its_memory(cgroup: Cgroup, tmp_path: Path) -> None:
    replica, given = tmp_path / "tiny-1-00000000", Confinement(cgroup, f"512 MiB ({cgroup.kind})")
    if not limit_memory(cgroup, 512):
        assert "but its cgroup" in (memory_flaw(replica, given, 512) or ""), "a limit that was not taken is none"
        return
    assert memory_flaw(replica, given, 512) is None
    assert "says 512" in (memory_flaw(replica, given, 1024) or "")
    with subprocess.Popen(["/bin/sleep", "600"], env={MARKER: str(replica)}) as outside:
        try:
            wait_until(lambda: members(replica), Deadline.after(20), "it is there")
            assert f"its processes {outside.pid} were not" in (memory_flaw(replica, given, 512) or "")
        finally:
            outside.kill()


def test_a_process_outside_its_cgroup_is_not_within_its_number_of_processes(cgroup: Cgroup, tmp_path: Path) -> None:
    replica, pids = tmp_path / "tiny-1-00000000", make_pids_cgroup(tmp_path / "tiny-1-00000000")
    if pids is None:
        assert confine(replica, HardwareOption(name="cpu-1x1")).tasks_said == NO_TASK_LIMIT
        return
    try:
        assert limit_tasks(pids, 100)
        given = Confinement(cgroup, pids_cgroup=pids, tasks=100)
        assert tasks_flaw(replica, given) is None
        with subprocess.Popen(["/bin/sleep", "600"], env={MARKER: str(replica)}) as outside:
            try:
                wait_until(lambda: members(replica), Deadline.after(20), "it is there")
                assert f"its processes {outside.pid} were not" in (tasks_flaw(replica, given) or "")
            finally:
                outside.kill()
        assert limit_tasks(pids, 7)
        assert "says 7" in (tasks_flaw(replica, given) or "")
    finally:
        remove_cgroup(pids)
