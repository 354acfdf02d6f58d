"""A command that is ended by a signal clears up what it has started."""

from __future__ import annotations

import signal
from types import FrameType

ENDED_BY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def clear_up_when_ended() -> None:
    """From now on each of these signals is a SystemExit, and no second one disturbs what is done on the way out."""
    for number in ENDED_BY:
        signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> None:
    for each in ENDED_BY:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)
