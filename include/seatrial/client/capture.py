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
CLOSE_S = 2.0


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
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def offer(self, route: Route, tensors: Tensors) -> None:
        """Maybe keep a copy of this request. Never waits, never raises."""
        if route.capture.share <= 0 or random.random() >= route.capture.share:
            return
        if self._closed.is_set() or not self._within(route.capture.per_minute):
            return
        copied = {name: array.copy() for name, array in tensors.items()}
        try:
            self._queue.put_nowait((route.model, route.version, copied))
        except queue.Full:
            self._dropped()
            return
        self._start()

    def close(self) -> None:
        """Send what is queued, for CLOSE_S at most, whatever the manager does; the rest is dropped."""
        self._closed.set()
        with self._lock:
            thread = self._thread
        if thread is None:
            return
        until = time.monotonic() + CLOSE_S
        try:
            self._queue.put(None, timeout=CLOSE_S)
        except queue.Full:
            self._empty()
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            self._empty()

    def _within(self, per_minute: int) -> bool:
        minute = int(time.monotonic() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute, self._in_minute = minute, 0
            self._in_minute += 1
            return self._in_minute <= per_minute

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="seatrial-capture", daemon=True)
                self._thread.start()

    def _dropped(self) -> None:
        with self._lock:
            self.counts.dropped += 1

    def _empty(self) -> None:
        """Drop what is queued, and leave the mark that ends the thread."""
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is not None:
                self._dropped()
        self._queue.put_nowait(None)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            model, version, tensors = item
            try:
                self._api.add_capture(model, version, to_npz(tensors))
            except SeatrialError as error:
                self._dropped()
                log.debug("capture of %s@%d dropped: %s", model, version, error)
            else:
                self.counts.sent += 1
