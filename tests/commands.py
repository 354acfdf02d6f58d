"""The command `seatrial` as a shell runs it, and what it answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Done = subprocess.CompletedProcess[str]
Seatrial = Callable[..., Done]
PROGRAM = (sys.executable, "-m", "seatrial.cli")


def seatrial_in(folder: Path, environ: Mapping[str, str]) -> Seatrial:
    """The command in this folder and environment, which is read anew at each call: its arguments, and `said` to it."""

    def run(*arguments: str, said: str = "") -> Done:
        command = [*PROGRAM, *arguments]
        return subprocess.run(command, env=environ, cwd=folder, input=said, capture_output=True, text=True, check=False)

    return run


def document(done: Done) -> Any:
    """What it prints with `--json` when all is well."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
