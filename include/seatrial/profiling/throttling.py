"""For how long a CPU quota has kept a process off its cores: its own cgroup's, or one above it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seatrial.serving.cgroups import own_cgroups

_SECONDS = {"throttled_usec": 1e-6, "throttled_time": 1e-9}
"""What cpu.stat calls it, version 2 and version 1, and its unit in seconds."""


@dataclass(frozen=True)
class Throttled:
    """So far: how often, and for how long, added up over the cores."""

    times: int
    seconds: float


def throttled(pid: int) -> Throttled | None:
    """None where no cgroup of the process counts it, because it has no quota or the kernel none to give."""
    found = [counts for file in _stat_files(pid) if (counts := _read(file)) is not None]
    if not found:
        return None
    return Throttled(sum(counts.times for counts in found), sum(counts.seconds for counts in found))


def throttled_in(stat: str) -> Throttled | None:
    """What a cpu.stat file says (pure); None when it does not count."""
    counts = dict(line.split() for line in stat.splitlines())
    seconds = [int(counts[name]) * unit for name, unit in _SECONDS.items() if name in counts]
    return Throttled(int(counts["nr_throttled"]), seconds[0]) if seconds else None


def _stat_files(pid: int) -> Iterator[Path]:
    """Of each cgroup that the process is in, and of those above it as far as we see them."""
    with suppress(OSError):
        memberships, mounts = Path(f"/proc/{pid}/cgroup").read_text(), Path("/proc/self/mountinfo").read_text()
        for cgroup in own_cgroups(memberships, mounts, "cpu"):
            for folder in (cgroup.path, *cgroup.path.parents):
                if not (folder / "cgroup.procs").exists():
                    break
                yield folder / "cpu.stat"


def _read(file: Path) -> Throttled | None:
    with suppress(OSError, ValueError, KeyError):
        return throttled_in(file.read_text())
    return None
