"""What a replica is kept within: cgroups, memory, processes, the size of its files. Set before its start, read back."""

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
    limit_tasks,
    make_cgroup,
    make_pids_cgroup,
    memory_limit_mib,
    pids_in,
    replica_of,
    task_limit,
    was_out_of_memory,
    was_out_of_tasks,
)
from seatrial.serving.processes import members

FILE_LIMIT = 4 * 2**30
"""Bytes of any one file that a server process may write: holds when a log grows while no manager is there to cut it.
It must hold the shared memory of one request too, which is a file."""

SERVER_RESERVES_MIB = 512
"""What tritonserver asks of the kernel and never uses (464 MiB, its threads' stacks), which RLIMIT_DATA counts."""

TASK_LIMIT = 2048
"""Processes and threads of one replica, as the kernel counts them. TODO_MEASURE"""

NO_TASK_LIMIT = "none: this machine lets us have no pids controller"


@dataclass(frozen=True)
class Confinement:
    """`memory` says the limit and what keeps it; None without one. `limits` are rlimits, the same for each process.
    `tasks` says how many processes and threads there may be; None for a server of an earlier version's manager."""

    cgroup: Cgroup | None
    memory: str | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    pids_cgroup: Cgroup | None = None
    tasks: str | None = None

    @property
    def cgroups(self) -> tuple[Cgroup, ...]:
        """Those to enter and to remove: in version 2 one keeps everything."""
        return tuple(dict.fromkeys(cgroup for cgroup in (self.cgroup, self.pids_cgroup) if cgroup is not None))


def confine(replica: Path, memory_mib: int | None) -> Confinement:
    """Make what keeps the replica in that folder within its limits.

    The whole replica's memory is limited by its cgroup, swap included; where that is not allowed, the data of each of
    its processes is limited by RLIMIT_DATA: then a model's allocation fails instead of its process being killed.
    No process leaves a core file: one is as large as its memory, and a model that crashes does so again and again.
    """
    cgroup, limits = make_cgroup(replica), {"RLIMIT_FSIZE": FILE_LIMIT, "RLIMIT_CORE": 0}
    pids_cgroup, tasks = _confine_tasks(replica)
    if memory_mib is None:
        memory = None
    elif cgroup is not None and limit_memory(cgroup, memory_mib):
        memory = f"{memory_mib} MiB ({cgroup.kind})"
    else:
        each = memory_mib + SERVER_RESERVES_MIB
        limits["RLIMIT_DATA"] = each * MIB
        memory = f"{each} MiB of data for each process (RLIMIT_DATA)"
    return Confinement(cgroup, memory, limits, pids_cgroup, tasks)


def _confine_tasks(replica: Path) -> tuple[Cgroup | None, str]:
    """RLIMIT_NPROC would be none: it counts all processes of the user, so one replica would starve the others."""
    cgroup = make_pids_cgroup(replica)
    if cgroup is None or not limit_tasks(cgroup, TASK_LIMIT):
        return cgroup, NO_TASK_LIMIT
    return cgroup, f"{TASK_LIMIT} processes and threads ({cgroup.kind})"


def confined(command: Sequence[str], confinement: Confinement) -> list[str]:
    """The command that runs `command` within its limits."""
    cgroups = [str(cgroup.path) for cgroup in confinement.cgroups]
    given = json.dumps({"cgroups": cgroups, "limits": dict(confinement.limits)})
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


def tasks_flaw(replica: Path, confinement: Confinement) -> str | None:
    """Why the running replica is not within the processes and threads that it was given; None when it is."""
    cgroup = confinement.pids_cgroup
    if cgroup is None or confinement.tasks == NO_TASK_LIMIT:
        return None
    if task_limit(cgroup) != TASK_LIMIT:
        return f"was given {confinement.tasks}, but its {cgroup.kind} says {task_limit(cgroup)}"
    running, kept = members(replica), pids_in(cgroup)
    free = [str(process.pid) for process in running if process.pid not in kept and process.is_running()]
    return f"was given {confinement.tasks}, but its processes {', '.join(free)} were not" if free else None


def overstepped(confinement: Confinement) -> str | None:
    """The limit that the replica has run into, as the kernel says; None when it has run into none."""
    if confinement.memory is not None and confinement.cgroup is not None and was_out_of_memory(confinement.cgroup):
        return f"killed by the memory limit {confinement.memory}"
    if confinement.pids_cgroup is not None and was_out_of_tasks(confinement.pids_cgroup):
        return f"reached its limit of {confinement.tasks}"
    return None


def _is_free(process: psutil.Process, replica: Path, each: int | None) -> bool:
    """Whether a running process is outside of what should keep it: the replica's cgroup, or `each` process's limit."""
    kept = replica_of(process.pid, replica.parent) == replica if each is None else _data_limit(process) == each
    return not kept and bool(process.is_running())


def _data_limit(process: psutil.Process) -> int | None:
    with suppress(psutil.Error):
        soft, _ = process.rlimit(resource.RLIMIT_DATA)
        return int(soft)
    return None
