"""Server processes: started in their own session, recognised without doubt, ended with everything they started.

A process is recognised by pid and start time, because pids come again. What belongs to a server is recognised by its
cgroup, and by a marker in the environment; children inherit both, so also those are found whose parent is long gone.
Without a cgroup the server adopts its orphans (`launch.py`), so whatever it has started is below it as long as it
runs; a child that has emptied its environment is lost only when the server ends by itself first.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from seatrial.errors import DeadlineExceeded, ServerFailed
from seatrial.serving.cgroups import Cgroup, limit_tasks, replica_of
from seatrial.waiting import Deadline, wait_until

MARKER = "SEATRIAL_REPLICA"
"""The environment variable that names the replica's folder in each of its processes."""

KILL_LIMIT_S = 15.0
"""How long a killed process may take to vanish: long, because it may first have to give back much memory."""


@dataclass(frozen=True)
class ProcessId:
    """A pid with its start: boot id and kernel ticks since that boot, which no change of the clock moves."""

    pid: int
    started: str


_children: dict[ProcessId, subprocess.Popen[bytes]] = {}  # an ended child is a zombie until its parent asks for it


def spawn(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path, core_set: Sequence[int]
) -> ProcessId:
    """Start `command` in its own session, on `core_set`, marked with `folder`, with all output appended to `log`.

    It holds nothing of ours, no input, no file, no pipe, and goes on when this process ends. Raises ServerFailed.
    """
    try:
        with log.open("ab") as output, _on_cores(core_set):
            child = subprocess.Popen(
                command,
                env={**environment, MARKER: str(folder)},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        raise ServerFailed(f"{command[0]} could not be started: {error}") from error
    found = identify(child.pid)
    assert found is not None, "a child has its entry until its parent asks for its status"
    _children[found] = child
    return found


def identify(pid: int) -> ProcessId | None:
    """The identity of the process that has this pid now, ended or not; None without one."""
    stat = _stat(pid)
    return None if stat is None else ProcessId(pid, _start(stat))


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs. A zombie does not."""
    child = _children.get(process)
    if child is not None and child.poll() is not None:
        return False
    stat = _stat(process.pid)
    return stat is not None and stat[0] not in "ZX" and _start(stat) == process.started


def exit_status(process: ProcessId) -> int | None:
    """The status that an ended child left, negative for a signal; None while it runs or if it is not our child."""
    child = _children.get(process)
    return None if child is None else child.poll()


def was_not_executed(process: ProcessId) -> bool:
    """Whether a child ended because its program could not be executed, as `launch.py`, a shell, and the loader of a
    program's libraries say by its status."""
    return exit_status(process) in (126, 127)


def members(folder: Path) -> list[psutil.Process]:
    """All living processes of the replica in `folder`: the server itself and what it started."""
    return [process for process, found in of_replicas(folder.parent) if found == folder]


def of_replicas(servers: Path) -> Iterator[tuple[psutil.Process, Path]]:
    """All living processes of this user's replicas below `servers`, each with its replica's folder."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            folder = _by_marker(process) or replica_of(process.pid, servers)
            if folder and _is_replica(folder, servers) and process.status() != psutil.STATUS_ZOMBIE:
                yield process, folder


def end(process: ProcessId | None, folder: Path, grace_s: float, cgroups: Iterable[Cgroup] = ()) -> None:
    """End all processes of the replica in `folder`. When this returns, none is left. Safe to repeat.

    The server gets SIGTERM and `grace_s` seconds for the requests that it has; then all that is left is killed, and
    none in `cgroups` can start another meanwhile. Raises ServerFailed when the kernel does not let one die.
    """
    below = _tree(process)
    if process is not None and grace_s > 0:
        _terminate(process)
        with suppress(DeadlineExceeded):
            wait_until(lambda: not is_alive(process), Deadline.after(grace_s), "SIGTERM", longest_s=0.1)
    for cgroup in cgroups:
        limit_tasks(cgroup, 0)
    try:
        wait_until(lambda: _kill_all(process, folder, below), Deadline.after(KILL_LIMIT_S), "SIGKILL", longest_s=0.1)
    except DeadlineExceeded as error:
        left = ", ".join(str(member.pid) for member in members(folder))
        raise ServerFailed(
            f"processes {left} of {folder.name} do not end, {KILL_LIMIT_S:.0f} s after a kill"
        ) from error
    _collect(process)


def core_sets(folder: Path) -> set[tuple[int, ...]]:
    """The core sets that the processes of a replica run on, as the kernel says."""
    found = set()
    for process in members(folder):
        with suppress(OSError):
            found.add(tuple(sorted(os.sched_getaffinity(process.pid))))
    return found


def _collect(ended: ProcessId | None) -> None:
    """Ask for the status of every child, so that none stays a zombie whose record nobody had, and forget `ended`."""
    for child in list(_children.values()):
        child.poll()
    if ended is not None:
        _children.pop(ended, None)


def _terminate(process: ProcessId) -> None:
    with suppress(psutil.NoSuchProcess):
        server = psutil.Process(process.pid)  # remembers which process it is, so the signal cannot meet another one
        if is_alive(process):
            server.send_signal(signal.SIGTERM)


def _kill_all(process: ProcessId | None, folder: Path, below: Sequence[psutil.Process]) -> bool:
    """Kill what is left, `below` too, which the server had started before; whether nothing was."""
    left = {*members(folder), *_tree(process), *filter(_runs, below)}
    for member in left:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    return not left and (process is None or not is_alive(process))


def _tree(process: ProcessId | None) -> list[psutil.Process]:
    """A server with all that is below it; nothing once it has ended: later its number may be another's."""
    if process is None or not is_alive(process):
        return []
    with suppress(psutil.NoSuchProcess):
        server = psutil.Process(process.pid)  # remembers which process it is, as each of its children does
        found = [server, *server.children(recursive=True)]
        return [other for other in found if _runs(other)] if is_alive(process) else []
    return []


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    return False


def _is_replica(folder: Path, servers: Path) -> bool:
    """A process says itself where it belongs: no name that it makes up may lead out of `servers`."""
    return folder.parent == servers and folder.name != ".."


def _by_marker(process: psutil.Process) -> Path | None:
    with suppress(psutil.Error, OSError):
        folder = process.environ().get(MARKER)
        return Path(folder) if folder else None
    return None


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the state on: [0] is the state, [19] the start in ticks since boot."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()
    except OSError:
        return None


def _start(stat: Sequence[str]) -> str:
    return f"{_boot_id()}/{stat[19]}"


@cache  # fifty servers are looked at ten times a second
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@contextmanager
def _on_cores(core_set: Sequence[int]) -> Iterator[None]:
    """A child inherits the core set of the *thread* that starts it: so no code has to run between fork and exec,
    which would not be safe in a process with threads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, core_set)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
