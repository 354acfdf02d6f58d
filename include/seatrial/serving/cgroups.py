"""A cgroup for each replica: how much memory and how many processes it may have, and which processes are its own.

A process is born into the cgroup of its parent: so a child that has left its session, outlived its parent and emptied
its environment is still found. (Only root could move it elsewhere: do not run the manager as root where models can
run code of their own.) Ours are made below the manager's own cgroup, where the kernel or the service manager allows
that (systemd: `Delegate=yes`); others' are never touched.

A kernel has each of its controllers in version 2 or in version 1, where a replica has a cgroup in the hierarchy of
each. Version 2 gives controllers to children only of a cgroup without processes, so a manager that is alone in its
cgroup moves into a leaf beside them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seatrial.errors import DeadlineExceeded
from seatrial.waiting import Deadline, wait_until

LEAF = "seatrial-manager"
MIB = 2**20
ENDING_S = 1.0
Controller = Literal["memory", "pids", "cpu"]
CONTROLLERS: tuple[Controller, ...] = ("memory", "pids")


@dataclass(frozen=True)
class Cgroup:
    """One cgroup: its version and its folder."""

    kind: Literal["cgroup v2", "cgroup v1"]
    path: Path


_LIMIT = {"cgroup v2": "memory.max", "cgroup v1": "memory.limit_in_bytes"}
_SWAP = {"cgroup v2": ("memory.swap.max", 0), "cgroup v1": ("memory.memsw.limit_in_bytes", 1)}
"""The file against swapping the limit away, and what it is set to in units of the limit: v1 counts both together."""
_EVENTS = {"cgroup v2": "memory.events", "cgroup v1": "memory.oom_control"}


def own_cgroups(memberships: str, mounts: str, controller: Controller) -> tuple[Cgroup, ...]:
    """Our own cgroups that may hold others with that controller, version 2 first. Pure: from /proc/self/cgroup and
    /proc/self/mountinfo."""
    found: dict[str, Cgroup] = {}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, mount = before.split()[3:5]
        kind = after.split()[0]
        if kind == "cgroup2":
            found["cgroup v2"] = Cgroup("cgroup v2", _below(mount, root, _path(memberships, "")))
        elif kind == "cgroup" and controller in after.split()[-1].split(","):
            found["cgroup v1"] = Cgroup("cgroup v1", _below(mount, root, _path(memberships, controller)))
    return tuple(found[kind] for kind in ("cgroup v2", "cgroup v1") if kind in found)


def make_cgroup(replica: Path) -> Cgroup | None:
    """A cgroup for the replica in that folder, with a memory controller where one can be had; None where none is
    allowed at all. A second call gives the same one."""
    own = _own("memory")
    return _make(replica, (*(parent for parent in own if _gives(parent, "memory")), *own))


def make_pids_cgroup(replica: Path) -> Cgroup | None:
    """The replica's cgroup with a pids controller, in version 2 the one that it has; None where none can be had."""
    return _make(replica, [parent for parent in _own("pids") if _gives(parent, "pids")])


def _make(replica: Path, parents: Iterable[Cgroup]) -> Cgroup | None:
    for parent in parents:
        with suppress(OSError):
            made = Cgroup(parent.kind, _home(parent.path) / f"{_prefix(replica.parent)}{replica.name}")
            made.path.mkdir(exist_ok=True)
            return made
    return None


def limit_memory(cgroup: Cgroup, mib: int) -> bool:
    """Set the limit, swap included. Whether the kernel has taken it."""
    file, share = _SWAP[cgroup.kind]
    with suppress(OSError):
        (cgroup.path / _LIMIT[cgroup.kind]).write_text(str(mib * MIB))
        if (cgroup.path / file).exists():  # not without swap accounting
            (cgroup.path / file).write_text(str(mib * MIB * share))
        return memory_limit_mib(cgroup) == mib
    return False


def memory_limit_mib(cgroup: Cgroup) -> int | None:
    """The limit that the kernel shows; None without one."""
    with suppress(OSError, ValueError):
        return int((cgroup.path / _LIMIT[cgroup.kind]).read_text()) // MIB
    return None


def was_out_of_memory(cgroup: Cgroup) -> bool:
    """Whether the kernel has killed a process in there because of the limit."""
    with suppress(OSError):
        lines = (cgroup.path / _EVENTS[cgroup.kind]).read_text().splitlines()
        return any(line.split()[0] == "oom_kill" and int(line.split()[1]) > 0 for line in lines)
    return False


def limit_tasks(cgroup: Cgroup, limit: int) -> bool:
    """Set how many processes and threads it may hold. Whether the kernel has taken it."""
    with suppress(OSError):
        (cgroup.path / "pids.max").write_text(str(limit))
        return task_limit(cgroup) == limit
    return False


def task_limit(cgroup: Cgroup) -> int | None:
    """The limit that the kernel shows; None without one."""
    with suppress(OSError, ValueError):
        return int((cgroup.path / "pids.max").read_text())
    return None


def was_out_of_tasks(cgroup: Cgroup) -> bool:
    """Whether the kernel has refused a process or thread in there because of the limit."""
    with suppress(OSError, ValueError, IndexError):
        return int((cgroup.path / "pids.events").read_text().split()[1]) > 0
    return False


def pids_in(cgroup: Cgroup) -> set[int]:
    """The processes in it, without those in cgroups below it."""
    with suppress(OSError):
        return {int(pid) for pid in (cgroup.path / "cgroup.procs").read_text().split()}
    return set()


def remove_cgroup(cgroup: Cgroup) -> None:
    """Remove it, those that its processes made below it too. Call when they have ended; safe to repeat.

    A process counts as ended while threads of it are still ending in there, which is waited for. One that holds a
    living process stays.
    """
    with suppress(DeadlineExceeded):
        wait_until(lambda: _removed(cgroup), Deadline.after(ENDING_S), "its last thread has ended", longest_s=0.05)


def _removed(cgroup: Cgroup) -> bool:
    with suppress(OSError):
        for folder in sorted((path for path in cgroup.path.rglob("*") if path.is_dir()), reverse=True):
            folder.rmdir()
        cgroup.path.rmdir()
    return not cgroup.path.exists()


def replica_of(pid: int, servers: Path) -> Path | None:
    """The folder of the replica below `servers` whose cgroup the process is in; None when it is in none."""
    prefix = _prefix(servers)
    with suppress(OSError):
        for part in Path(f"/proc/{pid}/cgroup").read_text().replace("\n", "/").split("/"):
            if part.startswith(prefix):
                return servers / part.removeprefix(prefix)
    return None


def leftover(servers: Path) -> list[tuple[Cgroup, Path]]:
    """The cgroups made below ours for replicas below `servers`, each with its replica's folder."""
    prefix = _prefix(servers)
    own = {found for controller in CONTROLLERS for found in _own(controller)}
    found = [Cgroup(o.kind, path) for o in own for path in _home(o.path).glob(f"{prefix}[!.]*")]
    found.sort(key=lambda cgroup: cgroup.path)
    return [(cgroup, servers / cgroup.path.name.removeprefix(prefix)) for cgroup in found]


def _own(controller: Controller) -> tuple[Cgroup, ...]:
    with suppress(OSError):
        memberships, mounts = Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text()
        return own_cgroups(memberships, mounts, controller)
    return ()


def _prefix(servers: Path) -> str:
    """How the names of all cgroups of one manager's replicas begin: two managers never take the other's for theirs."""
    return f"seatrial-{hashlib.sha256(str(servers).encode()).hexdigest()[:8]}-"


def _home(own: Path) -> Path:
    return own.parent if own.name == LEAF else own


def _gives(own: Cgroup, controller: Controller) -> bool:
    """Whether cgroups below `own` can have that controller; in version 2 it may have to be switched on."""
    if own.kind == "cgroup v1":
        return True
    home = _home(own.path)
    with suppress(OSError):
        if controller not in (home / "cgroup.controllers").read_text().split():
            return False
        return _switched_on(home, controller) or (_move_to_leaf(home) and _switched_on(home, controller))
    return False


def _switched_on(home: Path, controller: Controller) -> bool:
    with suppress(OSError):  # busy: processes stand beside the children
        (home / "cgroup.subtree_control").write_text(f"+{controller}")
    return controller in (home / "cgroup.subtree_control").read_text().split()


def _move_to_leaf(home: Path) -> bool:
    if (home / "cgroup.procs").read_text().split() != [str(os.getpid())]:
        return False
    (home / LEAF).mkdir(exist_ok=True)
    (home / LEAF / "cgroup.procs").write_text(str(os.getpid()))
    return True


def _path(memberships: str, controller: str) -> str:
    """Our path in the hierarchy of a controller; the one without controllers is version 2."""
    for line in memberships.splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return "/"


def _below(mount: str, root: str, path: str) -> Path:
    """Where a path of the hierarchy is seen: a container mounts only the part below its own `root`."""
    return Path(mount, path.removeprefix(root).lstrip("/"))
