from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.serving import launch
from seatrial.serving.cgroups import Cgroup, own_cgroups
from seatrial.serving.seal import broken_seal, seal

V1 = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
V1_OTHER = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
V2 = "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"
V2_CONTAINER = "41 31 0:38 /docker/ab /sys/fs/cgroup ro,relatime - cgroup2 cgroup2 rw\n"
DISK = "23 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"


@pytest.mark.parametrize(
    ("memberships", "mounts", "found"),
    [
        ("0::/user.slice/a.scope", DISK + V2, [("cgroup v2", "/sys/fs/cgroup/user.slice/a.scope")]),
        ("0::/docker/ab", V2_CONTAINER, [("cgroup v2", "/sys/fs/cgroup")]),
        ("4:memory:/a/b\n1:cpu,cpuacct:/c", V1_OTHER + V1, [("cgroup v1", "/sys/fs/cgroup/memory/a/b")]),
        ("0::/\n4:memory:/a", V1 + V2, [("cgroup v2", "/sys/fs/cgroup"), ("cgroup v1", "/sys/fs/cgroup/memory/a")]),
        ("", DISK, []),
    ],
)
def test_our_own_cgroup_is_found_where_it_is_mounted(
    memberships: str, mounts: str, found: list[tuple[str, str]]
) -> None:
    expected = tuple(Cgroup(kind, Path(path)) for kind, path in found)  # type: ignore[arg-type]
    assert own_cgroups(memberships, mounts, "memory") == expected


def test_each_controller_is_looked_for_in_its_own_hierarchy() -> None:
    pids = "39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
    found = own_cgroups("8:pids:/p\n4:memory:/m", V1 + pids, "pids")
    assert found == (Cgroup("cgroup v1", Path("/sys/fs/cgroup/pids/p")),)


def launched(command: list[str], **given: object) -> subprocess.CompletedProcess[str]:
    asked = json.dumps({"cgroups": [], "limits": {}, **given})
    return subprocess.run(
        [sys.executable, "-I", "-S", launch.__file__, asked, *command], capture_output=True, text=True, check=False
    )


def test_a_launched_process_has_its_limits_and_dies_of_a_closed_pipe_but_not_of_a_full_file(tmp_path: Path) -> None:
    done = launched(["/bin/sh", "-c", "ulimit -n; grep SigIgn /proc/self/status"], limits={"RLIMIT_NOFILE": 77})
    files, ignored = done.stdout.split("SigIgn:")
    assert files.strip() == "77"
    assert (int(ignored, 16) >> 12 & 1, int(ignored, 16) >> 24 & 1) == (0, 1), "SIGPIPE, SIGXFSZ"
    assert done.returncode == 0


def test_what_cannot_be_launched_says_why_in_one_line() -> None:
    done = launched(["/nowhere/tritonserver"])
    assert done.returncode == launch.NOT_EXECUTED
    assert done.stderr.startswith("error: /nowhere/tritonserver could not be started: ")
    assert "Traceback" not in done.stderr
    assert "could not be started" in launched(["/bin/true"], cgroups=["/nowhere"]).stderr


def test_a_sealed_repository_shows_every_change(tmp_path: Path) -> None:
    kept, changed = tmp_path / "tiny" / "config.pbtxt", tmp_path / "tiny" / "1" / "files" / "model.onnx"
    changed.parent.mkdir(parents=True)
    for file in (kept, changed):
        file.write_text("as it was")
    sealed = seal(tmp_path)
    (tmp_path / "tiny" / "1" / "__pycache__").mkdir()
    (tmp_path / "tiny" / "1" / "__pycache__" / "model.pyc").touch()
    assert broken_seal(tmp_path, sealed) is None
    assert changed.stat().st_mode & 0o222 == 0
    changed.chmod(0o644)
    before = changed.stat()
    changed.write_text("otherwise")
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert broken_seal(tmp_path, sealed) == "tiny/1/files/model.onnx", "setting its time back hides nothing"
    sealed = seal(tmp_path)
    (tmp_path / "tiny" / "1" / "files" / "another").touch()
    assert broken_seal(tmp_path, sealed) == "tiny/1/files/another"
    kept.unlink()
    assert broken_seal(tmp_path, seal(tmp_path) | {"tiny/config.pbtxt": "x"}) == "tiny/config.pbtxt"
