"""How far an upload is: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

EVERY_S = 5.0
UNITS = ("bytes", "kB", "MB", "GB", "TB")


class Progress:
    """Shown from `start` to the end of the block. Bytes that were there before count as done, not for the rate."""

    def __init__(self, to: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._to, self._clock = to, clock
        self._bar: Bar | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def start(self, total: int, there: int) -> Callable[[int], None]:
        """As `seatrial.uploads.send.Start`."""
        return self._start_bar(total, there) if self._to.isatty() else self._start_lines(total, there)

    def _start_bar(self, total: int, there: int) -> Callable[[int], None]:
        from rich import progress as rich
        from rich.console import Console

        parts = (rich.BarColumn(None), rich.DownloadColumn(), rich.TransferSpeedColumn(), rich.TimeRemainingColumn())
        self._bar = bar = rich.Progress(*parts, console=Console(file=self._to))
        task = bar.add_task("", total=total, completed=there)
        bar.start()
        return lambda more: bar.advance(task, more)

    def _start_lines(self, total: int, there: int) -> Callable[[int], None]:
        lock, begun = threading.Lock(), self._clock()
        sent, said = 0, begun

        def advance(more: int) -> None:
            nonlocal sent, said
            with lock:
                sent += more
                now = self._clock()
                if now - said >= EVERY_S:
                    said = now
                    print(progress_line(total, there, sent, now - begun), file=self._to, flush=True)

        return advance


def progress_line(total: int, there: int, sent: int, seconds: float) -> str:
    """Pure: `120 MB of 400 MB, 24 MB/s, 12 s left`."""
    rate = sent / seconds
    left = f"{(total - there - sent) / rate:.0f} s left" if rate > 0 else "no end in sight"
    return f"{size(there + sent)} of {size(total)}, {size(rate)}/s, {left}"


def size(number: float) -> str:
    """With three figures: 512 bytes, 1.23 kB, 45.6 MB."""
    at = 0
    while number >= 999.5 and at < len(UNITS) - 1:
        number, at = number / 1000, at + 1
    return f"{number:.3g} {UNITS[at]}"
