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

from seatrial.hardware import HardwareOption
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

SERVER_TASKS, INSTANCE_TASKS = 1024, 128
"""Processes and threads that a server may have, and those for each instance on top of its own threads: many times what
they need (57 and 47 on two cores), because libraries start some for each core of the machine."""

NO_TASK_LIMIT = "none: this machine lets us have no pids controller"


@dataclass(frozen=True)
class Confinement:
    """`memory` says the limit and what keeps it; None without one. `limits` are rlimits, the same for each process.
    `tasks` are the processes and threads that there may be, which `pids_cgroup` keeps; None where nothing does."""

    cgroup: Cgroup | None
    memory: str | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    pids_cgroup: Cgroup | None = None
    tasks: int | None = None

    @property
    def tasks_said(self) -> str:
        """The limit and what keeps it, or that nothing does."""
        if self.pids_cgroup is None or self.tasks is None:
            return NO_TASK_LIMIT
        return f"{self.tasks} processes and threads ({self.pids_cgroup.kind})"

    @property
    def cgroups(self) -> tuple[Cgroup, ...]:
        """Those to enter and to remove: in version 2 one keeps everything."""
        return tuple(dict.fromkeys(cgroup for cgroup in (self.cgroup, self.pids_cgroup) if cgroup is not None))


def confine(replica: Path, option: HardwareOption) -> Confinement:
    """Make what keeps the replica in that folder within the limits of its hardware option.

    The whole replica's memory is limited by its cgroup, swap included; where that is not allowed, the data of each of
    its processes is limited by RLIMIT_DATA: then a model's allocation fails instead of its process being killed.
    No process leaves a core file: one is as large as its memory, and a model that crashes does so again and again.
    """
    cgroup, limits = make_cgroup(replica), {"RLIMIT_FSIZE": FILE_LIMIT, "RLIMIT_CORE": 0}
    pids_cgroup, tasks = _confine_tasks(replica, option)
    memory_mib = option.memory_mib
    if memory_mib is None:
        memory = None
    elif cgroup is not None and limit_memory(cgroup, memory_mib):
        memory = f"{memory_mib} MiB ({cgroup.kind})"
    else:
        each = memory_mib + SERVER_RESERVES_MIB
        limits["RLIMIT_DATA"] = each * MIB
        memory = f"{each} MiB of data for each process (RLIMIT_DATA)"
    return Confinement(cgroup, memory, limits, pids_cgroup, tasks)


def _confine_tasks(replica: Path, option: HardwareOption) -> tuple[Cgroup | None, int | None]:
    """RLIMIT_NPROC would be none: it counts all processes of the user, so one replica would starve the others."""
    cgroup, limit = make_pids_cgroup(replica), SERVER_TASKS + option.instances * (option.threads + INSTANCE_TASKS)
    return cgroup, limit if cgroup is not None and limit_tasks(cgroup, limit) else None


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
    cgroup, said = confinement.pids_cgroup, confinement.tasks_said
    if cgroup is None or confinement.tasks is None:
        return None
    if task_limit(cgroup) != confinement.tasks:
        return f"was given {said}, but its {cgroup.kind} says {task_limit(cgroup)}"
    running, kept = members(replica), pids_in(cgroup)
    free = [str(process.pid) for process in running if process.pid not in kept and process.is_running()]
    return f"was given {said}, but its processes {', '.join(free)} were not" if free else None


def overstepped(confinement: Confinement) -> str | None:
    """The limit that the replica has run into, as the kernel says; None when it has run into none."""
    if confinement.memory is not None and confinement.cgroup is not None and was_out_of_memory(confinement.cgroup):
        return f"killed by the memory limit {confinement.memory}"
    if confinement.pids_cgroup is not None and was_out_of_tasks(confinement.pids_cgroup):
        return f"reached its limit of {confinement.tasks_said}"
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
