"""Sampled live requests on their way to the manager: off the hot path, bounded, dropped first."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from dataclasses import dataclass

from seatrial.client.manager_api import ManagerAPI
from seatrial.client.routes import Route
from seatrial.errors import SeatrialError
from seatrial.tensors import Tensors, to_npz

log = logging.getLogger(__name__)

QUEUED = 64


@dataclass
class CaptureCounts:
    """What became of the sampled requests of this client."""

    sent: int = 0
    dropped: int = 0


class Capture:
    """`offer` costs a random number when a request is not sampled, and a queue entry when it is."""

    def __init__(self, api: ManagerAPI) -> None:
        self._api = api
        self._queue: queue.Queue[tuple[str, int, Tensors] | None] = queue.Queue(QUEUED)
        self._minute, self._in_minute = 0, 0
        self.counts = CaptureCounts()
        self._thread: threading.Thread | None = None

    def offer(self, route: Route, tensors: Tensors) -> None:
        """Maybe keep a copy of this request. Never waits, never raises."""
        if route.capture.share <= 0 or random.random() >= route.capture.share:
            return
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._in_minute = minute, 0
        if self._in_minute >= route.capture.per_minute:
            return
        self._in_minute += 1
        copied = {name: array.copy() for name, array in tensors.items()}
        try:
            self._queue.put_nowait((route.model, route.version, copied))
        except queue.Full:
            self.counts.dropped += 1
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="seatrial-capture", daemon=True)
            self._thread.start()

    def close(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            model, version, tensors = item
            try:
                self._api.add_capture(model, version, to_npz(tensors))
            except SeatrialError as error:
                self.counts.dropped += 1
                log.debug("capture of %s@%d dropped: %s", model, version, error)
            else:
                self.counts.sent += 1
