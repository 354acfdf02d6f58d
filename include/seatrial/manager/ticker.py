"""A thread that does one thing again and again, whatever goes wrong with it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from seatrial.errors import SeatrialError

log = logging.getLogger(__name__)


class Ticker:
    """Calls `work` every `every_s` seconds from `start` to `stop`. An error is logged, and the next call made."""

    def __init__(self, name: str, work: Callable[[], None], every_s: float = 1.0) -> None:
        self._name, self._work, self._every_s = name, work, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when a call under way has ended."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._work()
            except SeatrialError as error:
                log.warning("%s: %s", self._name, error)
            except Exception:
                log.exception("%s failed; it is tried again", self._name)
