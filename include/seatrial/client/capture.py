"""Sampled live requests on their way to the manager: off the hot path, bounded, dropped first."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from dataclasses import dataclass

from seatrial.client import messages
from seatrial.client.manager_api import ManagerAPI
from seatrial.client.routes import Route
from seatrial.errors import SeatrialError
from seatrial.tensors import to_npz

log = logging.getLogger(__name__)

QUEUED = 64
QUEUED_BYTES = 128 * 2**20
CLOSE_S = 2.0


@dataclass
class CaptureCounts:
    """What became of the sampled requests of this client."""

    sent: int = 0
    dropped: int = 0


class Capture:
    """`offer` costs a random number when a request is not sampled, and a queue entry when it is: what is kept are the
    bytes that were sent, which nobody changes any more, and the thread of this class makes tensors of them.

    Only requests to Production are kept: what is being validated is not compared with its own traffic.
    """

    def __init__(self, api: ManagerAPI) -> None:
        self._api = api
        self._queue: queue.Queue[tuple[Route, bytes] | None] = queue.Queue(QUEUED)
        self._queued_bytes = 0
        self._minute, self._in_minute = 0, 0
        self.counts = CaptureCounts()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def offer(self, route: Route, payload: bytes) -> None:
        """Maybe keep this request's message. Never waits, never raises."""
        rule = route.capture
        if not route.production or rule.share <= 0 or random.random() >= rule.share:
            return
        if len(payload) > rule.largest_bytes or self._closed.is_set() or not self._within(rule.per_minute):
            return
        if not self._queue_it(route, payload):
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

    def _queue_it(self, route: Route, payload: bytes) -> bool:
        with self._lock:
            if self._queued_bytes + len(payload) > QUEUED_BYTES:
                return False
            self._queued_bytes += len(payload)
        try:
            self._queue.put_nowait((route, payload))
        except queue.Full:
            self._taken(payload)
            return False
        return True

    def _taken(self, payload: bytes) -> None:
        with self._lock:
            self._queued_bytes -= len(payload)

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
                self._taken(item[1])
                self._dropped()
        self._queue.put_nowait(None)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            route, payload = item
            try:
                self._api.add_capture(route.model, route.version, _npz(route, payload))
            except SeatrialError as error:
                self._dropped()
                log.debug("capture of %s@%d dropped: %s", route.model, route.version, error)
            else:
                with self._lock:
                    self.counts.sent += 1
            finally:
                self._taken(payload)


def _npz(route: Route, payload: bytes) -> bytes:
    """The request's tensors, without those that the rule leaves out."""
    tensors = messages.read_request(payload)[1]
    return to_npz({name: array for name, array in tensors.items() if name not in route.capture.without})
