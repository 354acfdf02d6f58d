"""Captures on their way, with a manager that takes them when it is let."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from seatrial.client.capture import QUEUED, Capture
from seatrial.client.routes import CaptureRule, Route
from seatrial.tensors import Signature, TensorSpec
from seatrial.waiting import Deadline, wait_until

SIGNATURE = Signature((TensorSpec("x", "FP32", (-1, 4)),), ())


def route(**rule: Any) -> Route:
    return Route("tiny", 1, 7, SIGNATURE, (), CaptureRule(share=1.0, **rule))


PAYLOAD = route(per_minute=1).encoder.encode({"x": np.ones((1, 4), np.float32)})


class Taker:
    """A manager that holds what it is given until it is let go."""

    def __init__(self) -> None:
        self.go, self.taken = threading.Event(), 0

    def add_capture(self, model: str, version: int, data: bytes) -> None:
        self.go.wait()
        self.taken += 1


def test_requests_that_find_no_place_in_the_queue_are_counted_as_dropped_and_not_as_the_minutes() -> None:
    taker, some = Taker(), route(per_minute=QUEUED + 10)
    capture = Capture(taker, clock=lambda: 0.0)  # type: ignore[arg-type]
    for _ in range(1000):
        capture.offer(some, PAYLOAD)
    dropped = capture.counts.dropped
    assert 1000 - dropped in (QUEUED, QUEUED + 1)  # one may be in its hands
    taker.go.set()
    wait_until(lambda: capture.counts.sent == 1000 - dropped, Deadline.after(60), "the queue is sent")
    for _ in range(20):
        capture.offer(some, PAYLOAD)
    capture.close()
    assert (capture.counts.sent, capture.counts.dropped) == (QUEUED + 10, dropped)


def test_another_minute_is_counted_anew() -> None:
    taker, now, some = Taker(), [0.0], route(per_minute=2)
    taker.go.set()
    capture = Capture(taker, clock=lambda: now[0])  # type: ignore[arg-type]
    for moment in (0.0, 59.9, 59.9, 60.0, 61.0, 61.0):
        now[0] = moment
        capture.offer(some, PAYLOAD)
    capture.close()
    assert taker.taken == 4


def test_nothing_is_taken_after_it_was_closed() -> None:
    taker = Taker()
    taker.go.set()
    capture = Capture(taker)  # type: ignore[arg-type]
    capture.offer(route(per_minute=10), PAYLOAD)
    capture.close()
    capture.offer(route(per_minute=10), PAYLOAD)
    assert (taker.taken, capture.counts.sent, capture.counts.dropped, capture.queued) == (1, 1, 0, 0)
