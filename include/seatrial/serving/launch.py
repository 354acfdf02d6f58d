"""Becomes a server process: takes its place in its cgroups, takes on its limits, and then is the server.

    python -I -S launch.py '{"cgroups": ["/sys/fs/cgroup/…"], "limits": {"RLIMIT_FSIZE": 4294967296}}' COMMAND …

It runs before the server so that no process of it is ever outside, and it stays the same process: its pid and its
start are the server's. It knows nothing of Seatrial.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
NOT_EXECUTED = 126  # the status by which also a shell says so


def main() -> None:
    given, *command = sys.argv[1:]
    asked = json.loads(given)
    for cgroup in asked["cgroups"]:
        (Path(cgroup) / "cgroup.procs").write_text("0")
    if not asked["cgroups"]:
        become_subreaper()
    for name, limit in asked["limits"].items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and servers would inherit that
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file at its limit is an error to the writer, not its end
    os.execv(command[0], command)


def become_subreaper() -> None:
    """Orphans of this process are its children from now on, also after exec: without a cgroup nothing else tells whose
    a process is that has emptied its environment. (With one they go to init, which asks them for their status.)"""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.stderr.write(f"error: {sys.argv[2]} could not be started: {error}\n")
        sys.exit(NOT_EXECUTED)
