"""What a replica is kept within: cgroup, memory, the size of its files. Set before its start, then read back."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from seatrial.serving import launch
from seatrial.serving.cgroups import (
    MIB,
    Cgroup,
    limit_memory,
    make_cgroup,
    memory_limit_mib,
    replica_of,
    was_out_of_memory,
)
from seatrial.serving.processes import members

FILE_LIMIT = 4 * 2**30
"""Bytes of any one file that a server process may write: holds when a log grows while no manager is there to cut it.
It must hold the shared memory of one request too, which is a file."""

SERVER_RESERVES_MIB = 512
"""What tritonserver asks of the kernel and never uses (464 MiB, its threads' stacks), which RLIMIT_DATA counts."""


@dataclass(frozen=True)
class Confinement:
    """`memory` says the limit and what keeps it; None without one. `limits` are rlimits, the same for each process."""

    cgroup: Cgroup | None
    memory: str | None = None
    limits: Mapping[str, int] = field(default_factory=dict)


def confine(replica: Path, memory_mib: int | None) -> Confinement:
    """Make what keeps the replica in that folder within its limits.

    The whole replica's memory is limited by its cgroup, swap included; where that is not allowed, the data of each of
    its processes is limited by RLIMIT_DATA: then a model's allocation fails instead of its process being killed.
    No process leaves a core file: one is as large as its memory, and a model that crashes does so again and again.
    """
    cgroup, limits = make_cgroup(replica), {"RLIMIT_FSIZE": FILE_LIMIT, "RLIMIT_CORE": 0}
    if memory_mib is None:
        return Confinement(cgroup, None, limits)
    if cgroup is not None and limit_memory(cgroup, memory_mib):
        return Confinement(cgroup, f"{memory_mib} MiB ({cgroup.kind})", limits)
    each = memory_mib + SERVER_RESERVES_MIB
    limits["RLIMIT_DATA"] = each * MIB
    return Confinement(cgroup, f"{each} MiB of data for each process (RLIMIT_DATA)", limits)


def confined(command: Sequence[str], confinement: Confinement) -> list[str]:
    """The command that runs `command` within its limits."""
    cgroup = None if confinement.cgroup is None else str(confinement.cgroup.path)
    given = json.dumps({"cgroup": cgroup, "limits": dict(confinement.limits)})
    return [sys.executable, "-I", "-S", str(Path(launch.__file__)), given, *command]


def memory_flaw(replica: Path, confinement: Confinement, memory_mib: int | None) -> str | None:
    """Why the running replica is not within the memory that it was given; None when it is."""
    if memory_mib is None:
        return None
    cgroup, each = confinement.cgroup, confinement.limits.get("RLIMIT_DATA")
    if each is None and cgroup is not None and memory_limit_mib(cgroup) != memory_mib:
        return f"was given {memory_mib} MiB, but its {cgroup.kind} says {memory_limit_mib(cgroup)}"
    free = [str(process.pid) for process in members(replica) if _is_free(process, replica, each)]
    return f"was given {confinement.memory}, but its processes {', '.join(free)} were not" if free else None


def killed_by(confinement: Confinement) -> str | None:
    """The limit that has killed a process of the replica; None when none has."""
    if confinement.cgroup is None or confinement.memory is None or not was_out_of_memory(confinement.cgroup):
        return None
    return f"killed by the memory limit {confinement.memory}"


def _is_free(process: psutil.Process, replica: Path, each: int | None) -> bool:
    """Whether a running process is outside of what should keep it: the replica's cgroup, or `each` process's limit."""
    kept = replica_of(process.pid, replica.parent) == replica if each is None else _data_limit(process) == each
    return not kept and bool(process.is_running())


def _data_limit(process: psutil.Process) -> int | None:
    with suppress(psutil.Error):
        soft, _ = process.rlimit(resource.RLIMIT_DATA)
        return int(soft)
    return None
