"""Everything that is started here is stopped here, whatever happens in between."""

from __future__ import annotations

import ctypes
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class Children:
    """Child processes and all that descends from them.

    This process becomes their subreaper: a grandchild that loses its parent becomes our child, so that `stop` finds
    every process that was ever started below us. What ran below us before is not ours, and left alone. Should we be
    killed outright, the kernel sends each direct child its own stop signal.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        if self._libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
        self._started: list[tuple[str, subprocess.Popen[bytes], signal.Signals]] = []
        self._before = set(psutil.Process().children())

    def start(
        self, name: str, command: list[str], *, env: Mapping[str, str], log: Path, stop: signal.Signals, cwd: Path
    ) -> subprocess.Popen[bytes]:
        """Start a child in its own session, writing to `log`; `stop` is the signal that it takes as a wish to end."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._in_child(stop),
            )
        self._started.append((name, process, stop))
        return process

    def stop(self, tell: Callable[[str], None], patience_s: float = 15.0) -> None:
        """Ask each child to end, the last started first; then end what is left below us. Returns when all are gone.

        Airflow waits for its running task as long as it is let; a task may be killed at any line, so that is not long.
        """
        for name, process, wish in reversed(self._started):
            if process.poll() is None:
                tell(f"stopping {name}")
                process.send_signal(wish)
                try:
                    process.wait(patience_s)
                except subprocess.TimeoutExpired:
                    tell(f"{name} did not stop within {patience_s:.0f} s: killing it")
                    process.kill()
                    process.wait()
        self._started.clear()
        self._end_descendants()

    def _in_child(self, stop: signal.Signals) -> Callable[[], None]:
        prctl = self._libc.prctl

        def prepare() -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background shell hands SIGINT down ignored
            prctl(PR_SET_PDEATHSIG, int(stop), 0, 0, 0)

        return prepare

    def _end_descendants(self, patience_s: float = 15.0) -> None:
        for ask in (psutil.Process.terminate, psutil.Process.kill):
            left = self._descendants()
            for process in left:
                try:
                    ask(process)
                except psutil.NoSuchProcess:
                    continue
            psutil.wait_procs(left, timeout=patience_s)
            if not self._descendants():
                return

    def _descendants(self) -> list[psutil.Process]:
        ours = [child for child in psutil.Process().children() if child not in self._before]
        below = []
        for child in ours:
            try:
                below += child.children(recursive=True)
            except psutil.NoSuchProcess:
                continue  # its own children are ours now: seen in the next round
        return [*ours, *below]
