"""One Deadline on a monotonic clock, and one wait_until. The only place of the library that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from seatrial.errors import DeadlineExceeded

T = TypeVar("T")


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock. Pass it down; every wait below takes what is left of it."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    @property
    def left_s(self) -> float:
        return max(0.0, self.at - time.monotonic())

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self.at

    def sooner(self, seconds: float) -> Deadline:
        """The earlier of this deadline and `seconds` from now."""
        return min(self, Deadline.after(seconds), key=lambda deadline: deadline.at)


def rest(seconds: float, deadline: Deadline) -> None:
    """Do nothing for so long, but not beyond the deadline."""
    time.sleep(max(0.0, min(seconds, deadline.left_s)))


def wait_until(
    probe: Callable[[], T | None], deadline: Deadline, what: str, *, first_s: float = 0.02, longest_s: float = 0.5
) -> T:
    """Call `probe` with growing pauses until it returns something true, and return that.

    Raises DeadlineExceeded("<what>: not within …") when the deadline passes first. Errors of the probe go through.
    """
    started, pause = time.monotonic(), first_s
    while True:
        found = probe()
        if found:
            return found
        if deadline.passed:
            raise DeadlineExceeded(f"{what}: not within {time.monotonic() - started:.1f} s", what=what)
        time.sleep(min(pause, deadline.left_s))
        pause = min(pause * 1.5, longest_s)
