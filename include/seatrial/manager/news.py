"""Tells waiting requests that something changed. Threads announce, coroutines wait."""

from __future__ import annotations

import asyncio
import threading


class News:
    """A counter of changes. `changed` may be called from any thread; `wait_past` belongs to the event loop."""

    def __init__(self) -> None:
        self.revision = 0
        self.closed = False
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Event] = set()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._waiting)

    def changed(self) -> None:
        with self._lock:
            self.revision += 1
            loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake)

    async def wait_past(self, revision: int, timeout_s: float) -> bool:
        """True once the revision is past the one given; False when the time is over first."""
        event = asyncio.Event()
        with self._lock:
            self._loop = asyncio.get_running_loop()
            if self.closed or self.revision > revision:
                return not self.closed
            self._waiting.add(event)
        try:
            async with asyncio.timeout(timeout_s):  # wait_for would make a task of it, for each of a thousand
                await event.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(event)
        return not self.closed

    def close(self) -> None:
        """Nobody waits from now on: the manager is about to stop."""
        self.closed = True
        self.changed()

    def _wake(self) -> None:
        for event in self._waiting:
            event.set()
