"""The real MPS control daemon, which runs without a GPU: started, limited, read back, adopted, quit."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.errors import ServerFailed
from seatrial.hardware import HardwareOption
from seatrial.serving.cuda_view import cuda_view
from seatrial.serving.mps import MpsDaemon, MpsLimits
from seatrial.serving.mps_daemons import MpsDaemons
from seatrial.serving.placement import GpuPlacement
from seatrial.serving.processes import members
from seatrial.waiting import Deadline, wait_until
from tests.debian import library_path, unpacked

GPU = "GPU-11111111-2222-3333-4444-555555555555"
QUARTER = GpuPlacement(uuid=GPU, model="T4", mps_share=0.25)
LIMITS = MpsLimits(thread_percentage=25.0, memory_mib=2048)


@pytest.fixture(scope="module")
def package() -> Path:
    return unpacked("nvidia-cuda-mps", "libcuda1", component="non-free")


@pytest.fixture
def program(package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LD_LIBRARY_PATH", library_path(package))
    return package / "usr/bin/nvidia-cuda-mps-control"


@pytest.fixture
def daemon(program: Path, tmp_path: Path) -> Iterator[MpsDaemon]:
    found = MpsDaemon(GPU, tmp_path / "mps" / GPU, program)
    yield found
    found.stop()


def in_time() -> Deadline:
    return Deadline.after(30)


def processes(tmp_path: Path) -> list[int]:
    return sorted(process.pid for process in members(tmp_path / "mps" / GPU))


def test_limits_are_held_when_the_daemon_says_so_itself(daemon: MpsDaemon) -> None:
    daemon.start(LIMITS, in_time())
    assert daemon.limits() == LIMITS


def test_a_limit_that_the_daemon_does_not_take_leaves_no_daemon(daemon: MpsDaemon, tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match=r"was given .*140.* but says .*100"):
        daemon.start(MpsLimits(thread_percentage=140.0), in_time())
    assert processes(tmp_path) == []
    assert not daemon.pipes.exists()


def test_a_running_daemon_is_taken_over_and_other_limits_start_it_anew(
    daemon: MpsDaemon, program: Path, tmp_path: Path
) -> None:
    daemon.start(LIMITS, in_time())
    before = processes(tmp_path)
    again = MpsDaemon(GPU, tmp_path / "mps" / GPU, program)
    again.start(LIMITS, in_time())
    assert processes(tmp_path) == before
    again.start(MpsLimits(50.0), in_time())
    assert processes(tmp_path) != before
    assert again.limits() == MpsLimits(50.0)


def test_stopping_leaves_no_process_and_no_socket_and_may_be_repeated(daemon: MpsDaemon, tmp_path: Path) -> None:
    daemon.start(LIMITS, in_time())
    for _ in range(2):
        daemon.stop()
        assert processes(tmp_path) == []
        assert not daemon.pipes.exists()


def test_a_daemon_that_was_killed_is_started_anew(daemon: MpsDaemon, tmp_path: Path) -> None:
    daemon.start(LIMITS, in_time())
    (pid,) = processes(tmp_path)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not daemon.is_running(), in_time(), "the daemon is gone")
    daemon.start(LIMITS, in_time())
    assert daemon.limits() == LIMITS
    assert processes(tmp_path) != [pid]


def test_a_daemon_that_is_nobodys_any_more_is_quit(program: Path, tmp_path: Path) -> None:
    options = [HardwareOption.model_validate({"name": "q", "device": "gpu", "mps_share": 0.25})]
    daemons = MpsDaemons(tmp_path / "mps", options, program)
    environment = daemons.environment(QUARTER, in_time())
    assert environment["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == "25"
    daemons.keep([QUARTER])
    assert len(processes(tmp_path)) == 1
    MpsDaemons(tmp_path / "mps", options, program).keep([])  # as a manager that was started after a crash does
    assert processes(tmp_path) == []


def test_a_program_that_is_missing_is_said_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerFailed, match="nvidia-cuda-mps"):
        MpsDaemons(tmp_path / "mps", ()).environment(QUARTER, in_time())


def test_without_a_gpu_cuda_says_so_and_nothing_is_believed(program: Path) -> None:
    with pytest.raises(ServerFailed, match="cuInit answered CUDA error"):
        cuda_view({"LD_LIBRARY_PATH": os.environ["LD_LIBRARY_PATH"]})
