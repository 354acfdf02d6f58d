"""Captures on their way, with a manager that takes them when it is let."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import numpy as np

from seatrial.client.capture import QUEUED, Capture
from seatrial.client.routes import CaptureRule, Route
from seatrial.tensors import Signature, TensorSpec, from_npz
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
    for moment in (0.0, 59.9, 59.9, 120.0, 121.0, 121.0):
        now[0] = moment
        capture.offer(some, PAYLOAD)
    capture.close()
    assert taker.taken == 4


class Keeper:
    """A manager that keeps all that it is given."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []

    def add_capture(self, model: str, version: int, data: bytes) -> None:
        self.taken.append(from_npz(data))


def test_a_minute_is_thinned_by_what_the_minute_before_had_too_many() -> None:
    """1000 a minute, 100 to be kept: half of them come from the first half of the minute, give or take 25."""
    keeper, now, some = Keeper(), [0.0], route(per_minute=100)
    capture = Capture(keeper, clock=lambda: now[0])  # type: ignore[arg-type]
    for moment, offers in ((0.0, 1000), (60.0, 500), (90.0, 500)):
        now[0] = moment
        payload = some.encoder.encode({"x": np.full((1, 4), moment, np.float32)})
        for _ in range(offers):
            capture.offer(some, payload)
            wait_until(lambda: capture.queued == 0, Deadline.after(60), "it is sent", first_s=0.0001)
    capture.close()
    found = Counter(float(tensors["x"][0, 0]) for tensors in keeper.taken)
    assert (found[0.0], capture.counts.dropped) == (100, 0)
    assert abs(found[60.0] - 50) <= 25


TEXT = Signature((TensorSpec("words", "BYTES", (-1,)),), ())


def test_text_is_kept_and_what_is_no_text_is_dropped() -> None:
    keeper, some = Keeper(), Route("tiny", 1, 7, TEXT, (), CaptureRule(share=1.0, per_minute=10))
    capture = Capture(keeper)  # type: ignore[arg-type]
    for words in ([b"n\xc3\xa9e", b"other"], [b"\xff"]):
        capture.offer(some, some.encoder.encode({"words": np.array(words, object)}))
    capture.close()
    assert [tensors["words"].tolist() for tensors in keeper.taken] == [["née", "other"]]
    assert capture.counts.dropped == 1


def test_nothing_is_taken_after_it_was_closed() -> None:
    taker = Taker()
    taker.go.set()
    capture = Capture(taker)  # type: ignore[arg-type]
    capture.offer(route(per_minute=10), PAYLOAD)
    capture.close()
    capture.offer(route(per_minute=10), PAYLOAD)
    assert (taker.taken, capture.counts.sent, capture.counts.dropped, capture.queued) == (1, 1, 0, 0)
