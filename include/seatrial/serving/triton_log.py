"""What the lines of a tritonserver's log say. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NOTE = re.compile(r'^E\d{4} \S+ +\d+ \S+\] +"?(?P<text>.*?)"? *$')
_NO_GPU = "CudaDriverHelper has not been initialized."  # an error only by its letter: every start without a GPU has it


def telling(text: str, width: int = 400) -> tuple[str, ...]:
    """The lines without blank ones and drawn tables, cut to `width`, without control characters."""
    spoken = (line.rstrip() for line in text.splitlines())
    kept = (line for line in spoken if line and line[0] not in "+|")
    return tuple("".join(character for character in line[:width] if character.isprintable()) for line in kept)


def reason(tail: Sequence[str]) -> str:
    """The line that says best why a server ended: the one it ended with, else the last error, else the last line.

    >>> reason(["E1123 14:31:01.09 8353 main.cc:293] \\"failed to start Metrics service\\"", "Bye."])
    'failed to start Metrics service'
    """
    for line in reversed(tail):
        if line.startswith("error: "):
            return line.removeprefix("error: ")
    for line in reversed(tail):
        if (found := _NOTE.match(line)) and found["text"] != _NO_GPU:
            return found["text"]
    return tail[-1] if tail else "it left no log"


def is_port_clash(tail: Sequence[str]) -> bool:
    """Whether the server ended because one of its ports was taken."""
    notes = (found["text"] for line in tail if (found := _NOTE.match(line)))
    return any(note.startswith("failed to start") and "already in use" in note for note in notes)
