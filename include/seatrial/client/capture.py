"""Sampled live requests on their way to the manager: off the hot path, bounded, dropped first."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seatrial.client import messages
from seatrial.client.manager_api import ManagerAPI
from seatrial.client.routes import Route
from seatrial.errors import Refused, SeatrialError
from seatrial.tensors import Array, plain_text, to_npz

log = logging.getLogger(__name__)

QUEUED = 64
QUEUED_BYTES = 128 * 2**20
CLOSE_S = 2.0
LARGEST_TEXT = 16 * 2**20

SHARE_OF_A_CORE = 0.05
"""Of a core, what sending captures may take: its thread rests in between. Without that a process whose every call is
captured waits for this thread's Python half of its time (`make bench-capture`)."""


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

    def __init__(self, api: ManagerAPI, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._clock = api, clock
        self._queue: queue.Queue[tuple[Route, bytes] | None] = queue.Queue(QUEUED)
        self._queued_bytes = 0
        self._minute, self._in_minute, self._offered, self._thinned = 0, 0, 0, 1.0
        self.counts = CaptureCounts()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def offer(self, route: Route, payload: bytes) -> None:
        """Maybe keep this request's message. Never waits, never raises."""
        rule = route.capture
        if not route.production or rule.share <= 0 or random.random() >= rule.share:
            return
        if len(payload) > rule.largest_bytes:
            return
        with self._lock:
            if self._within(rule.per_minute) and not self._closed.is_set():
                self._queue_it(route, payload)

    @property
    def queued(self) -> int:
        """How many wait to be sent."""
        return self._queue.qsize()

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
        """Where the minute before had more than may be kept, this one is thinned, so that not its first seconds fill
        it."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            before = self._offered if minute == self._minute + 1 else 0
            self._thinned = min(1.0, per_minute / before) if before else 1.0
            self._minute, self._in_minute, self._offered = minute, 0, 0
        self._offered += 1
        return self._in_minute < per_minute and random.random() < self._thinned

    def _queue_it(self, route: Route, payload: bytes) -> None:
        """What finds no place is dropped, and is none of the minute's."""
        if self._queue.full() or self._queued_bytes + len(payload) > QUEUED_BYTES:
            self.counts.dropped += 1
            return
        self._queue.put_nowait((route, payload))  # nobody else puts anything in while the lock is held
        self._queued_bytes += len(payload)
        self._in_minute += 1
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="seatrial-capture", daemon=True)
            self._thread.start()

    def _taken(self, payload: bytes) -> None:
        with self._lock:
            self._queued_bytes -= len(payload)

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
            cpu_s = time.thread_time()
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
            self._closed.wait((time.thread_time() - cpu_s) * (1 / SHARE_OF_A_CORE - 1))


def _npz(route: Route, payload: bytes) -> bytes:
    """The request's tensors, without those that the rule leaves out. Raises Refused for text that .npz cannot hold."""
    tensors = messages.read_request(payload)[1]
    return to_npz({name: _plain(name, a) for name, a in tensors.items() if name not in route.capture.without})


def _plain(name: str, array: Array) -> Array:
    if array.dtype.kind != "O":
        return array
    try:
        texts = np.array([value.decode() for value in array.flat], object).reshape(array.shape)
        return plain_text(texts, limit_bytes=LARGEST_TEXT)
    except ValueError as error:  # also what is not UTF-8
        raise Refused(f"layer {name!r}: {error}", field=name) from error
