"""Becomes a server process: takes its place in its cgroup, takes on its limits, and then is the server.

    python -I -S launch.py '{"cgroup": "/sys/fs/cgroup/…" | null, "limits": {"RLIMIT_FSIZE": 4294967296}}' COMMAND …

It runs before the server so that no process of it is ever outside, and it stays the same process: its pid and its
start are the server's. It knows nothing of Seatrial.
"""

import json
import os
import resource
import signal
import sys
from pathlib import Path


def main() -> None:
    given, *command = sys.argv[1:]
    asked = json.loads(given)
    if asked["cgroup"]:
        (Path(asked["cgroup"]) / "cgroup.procs").write_text("0")
    for name, limit in asked["limits"].items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and servers would inherit that
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file at its limit is an error to the writer, not its end
    os.execv(command[0], command)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f"error: {sys.argv[2]} could not be started: {error}")
