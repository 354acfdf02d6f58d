"""The child process of the sandbox: one request on stdin, lines of JSON on stdout.

`{"reading": file}` before each file that is parsed, so that the parent can name it if this process dies; at the end
`{"answer": …}` or `{"problem": …}`. What libraries print goes to stderr.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from typing import Any, TextIO

from seatrial.errors import SeatrialError, UploadRefused, to_problem
from seatrial.formats import sandbox
from seatrial.formats.facts import shown

WRITING = ("reference",)  # the tasks that may write files: into the folder that they are given
Task = Callable[[dict[str, Any], Callable[[str], None]], dict[str, Any]]


def main() -> None:
    lines = _take_stdout()
    request = json.load(sys.stdin)
    sandbox.enter(request["limits"], writes=request["task"] in WRITING)
    reading = ""

    def tell(file: str) -> None:
        nonlocal reading
        reading = file
        _write(lines, {"reading": file})

    try:
        answer = {"answer": _task(request["task"])(request["arguments"], tell)}
    except SeatrialError as error:
        answer = {"problem": to_problem(error)}
    except MemoryError:
        memory = f"{resource.getrlimit(resource.RLIMIT_AS)[0] // 2**20} MiB"
        refusal = UploadRefused(
            "could not be parsed within the limits: out of memory", file=reading or ".", limit=memory
        )
        answer = {"problem": to_problem(refusal)}
    except Exception as cause:  # crafted bytes make parsers raise anything; before the first file it is our own fault
        if not reading:
            raise
        refusal = UploadRefused(f"could not be parsed: {type(cause).__name__}: {shown(cause, 200)}", file=reading)
        answer = {"problem": to_problem(refusal)}
    _write(lines, answer)
    # No interpreter shutdown: the runtimes' own destructors have crashed after the answer was given.
    os._exit(0)


def _task(name: str) -> Task:
    from seatrial.formats import reference, static

    tasks: dict[str, Task] = {"check": static.check, "reference": reference.answer, "signature": static.own_signature}
    return tasks[name]


def _take_stdout() -> TextIO:
    """Keep the real stdout for our lines and send whatever else is printed to stderr."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return lines


def _write(lines: TextIO, document: dict[str, Any]) -> None:
    lines.write(json.dumps(document, default=str) + "\n")
    lines.flush()


if __name__ == "__main__":
    main()
