"""A process of our own that sends requests: how it is started, told and heard."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import seatrial
from seatrial.client.steps import EncodedRequest
from seatrial.errors import SeatrialError, ServerFailed

if TYPE_CHECKING:
    from typing import Self


class SendingProcess:
    """Runs `module` as a program. Both sides say one JSON object a line. A context: the process is gone after it; its
    standard input ends with this process, however that ends."""

    def __init__(self, module: str) -> None:
        library = str(Path(seatrial.__file__).parents[1])  # Seatrial from where this process has it
        path = os.pathsep.join(filter(None, [library, os.environ.get("PYTHONPATH", "")]))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def tell(self, said: Mapping[str, Any]) -> None:
        """Raises SeatrialError when it has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(said) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error

    def answer(self) -> dict[str, Any]:
        """Wait for the next one. Raises ServerFailed with the `error` that it says, SeatrialError when it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise ServerFailed(found["error"])
        return found

    def _ended(self) -> SeatrialError:
        self._process.kill()
        _, log = self._process.communicate()
        last = (log.strip().splitlines() or ["it said nothing"])[-1]
        return SeatrialError(
            f"a process that sends requests ended with status {self._process.returncode}: {last[:300]}"
        )


def wire_form(requests: Sequence[EncodedRequest]) -> dict[str, Any]:
    """Requests of one version as a JSON object."""
    first = requests[0]
    payloads = [base64.b64encode(request.payload).decode() for request in requests]
    return {"model": first.model, "version": first.version, "payloads": payloads}


def from_wire(given: Mapping[str, Any]) -> list[EncodedRequest]:
    return [
        EncodedRequest(given["model"], given["version"], base64.b64decode(payload)) for payload in given["payloads"]
    ]


def say(answer: Mapping[str, Any]) -> None:
    """The process's side."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
