"""The real ONNX Runtime, except that a model can misbehave: for tests of what a server does with such a model.

`tests/misbehaving.py` makes a server that imports this one. A model whose metadata has an entry
`misbehave` does as it says, see the functions below; one with `takes_s` takes so many seconds for each request, or as
many as the file `takes_s` in the replica's folder says. Every other one is run by the real package and nothing else.
The models that Seatrial accepts cannot do any of this, but the library that runs them could.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_here = Path(__file__).parent.parent.resolve()
_path = list(sys.path)
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != _here]
_standin = sys.modules.pop(__name__)
_real = importlib.import_module(__name__)
sys.modules[__name__] = _standin
sys.path[:] = _path

globals().update({name: value for name, value in vars(_real).items() if not name.startswith("__")})
__version__, __path__ = _real.__version__, list(_real.__path__)


class InferenceSession(_real.InferenceSession):  # type: ignore[misc, name-defined]
    """`misbehave` is `<what>` at load, `<what>@<n>` when its n-th request is run (1 is the first that warms it up), or
    `<what>!` for each request that is run while there is a file `now` in the replica's folder."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._file, self._runs = Path(str(arguments[0])), 0
        asked = self.get_modelmeta().custom_metadata_map
        self._what, _, at = str(asked.get("misbehave", "")).partition("@")
        self._takes_s = str(asked.get("takes_s", ""))
        self._at = int(at or 0)
        self._misbehave()

    def run(self, *arguments: Any, **named: Any) -> Any:
        self._began()
        return super().run(*arguments, **named)

    def run_with_iobinding(self, *arguments: Any, **named: Any) -> Any:
        self._began()
        return super().run_with_iobinding(*arguments, **named)

    def run_with_ort_values(self, *arguments: Any, **named: Any) -> Any:
        self._began()
        return super().run_with_ort_values(*arguments, **named)

    def _began(self) -> None:
        self._runs += 1
        self._misbehave()
        if self._takes_s:
            time.sleep(float(self._told("takes_s") or self._takes_s))

    def _told(self, name: str) -> str | None:
        """What a file in the replica's folder says; None without it."""
        try:
            return (self._file.parents[4] / name).read_text()
        except FileNotFoundError:
            return None

    def _misbehave(self) -> None:
        told = self._runs and self._what.endswith("!") and self._told("now") is not None
        if told or (self._runs == self._at and self._what in WAYS):
            WAYS[self._what.rstrip("!")](self._file)


def end_instance(file: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def end_server(file: Path) -> None:
    os.kill(os.getppid(), signal.SIGSEGV)
    signal.pause()  # an answer would race with the server's end


def never_end(file: Path) -> None:
    while True:
        signal.pause()


def dawdle(file: Path) -> None:
    time.sleep(1)


def eat_memory(file: Path) -> None:
    eaten = []
    while True:
        eaten.append(b"x" * 2**24)


def fork(file: Path) -> None:
    """A child that stays in the session, one that left it, and an orphan that left it with an empty environment."""
    sleep = "/bin/sleep 1000"
    subprocess.Popen(["/bin/sh", "-c", sleep])
    subprocess.Popen(["/usr/bin/setsid", "/bin/sh", "-c", f"({sleep}) & exit"])
    subprocess.Popen(["/usr/bin/env", "-i", "/usr/bin/setsid", "/bin/sh", "-c", f"({sleep}) & exit"], env={})


def fork_bomb(file: Path) -> None:
    """Each child forks too; a fork that is refused is tried again. It ends at 512 processes and after a minute: where
    the limit that is tested does not hold, the machine shall."""
    forks, until = 0, time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if forks < 9:
                os.fork()
            forks += 1
        except OSError:
            pass
        time.sleep(0.1)
    os._exit(1)


def write(file: Path) -> None:
    file.chmod(0o644)
    file.write_bytes(file.read_bytes() + b"\0")


def log_much(file: Path) -> None:
    """One GB."""
    line = b"x" * 1023 + b"\n"
    for _ in range(1000):
        os.write(1, line * 1000)


WAYS = {
    way.__name__.replace("_", "-"): way
    for way in (end_instance, end_server, never_end, dawdle, eat_memory, fork, fork_bomb, write, log_much)
}
