"""Does what the steps of a call ask, in the caller's thread."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, TypeVar

from seatrial.client.balancer import Balancer
from seatrial.client.discovery import Discovery
from seatrial.client.health import ANSWER_S
from seatrial.client.steps import Await, Ended, Probe, Send, Start, Step, WaitForNews
from seatrial.client.transport import Transport
from seatrial.errors import SeatrialError

T = TypeVar("T")


class Driver:
    """Safe for many threads."""

    def __init__(self, transport: Transport, discovery: Discovery, balancer: Balancer) -> None:
        self._transport, self._discovery, self._balancer = transport, discovery, balancer

    def drive(self, steps: Generator[Step, Any, T]) -> T:
        """To their end: what they return, or raise."""
        started: _Started | None = None
        try:
            step = next(steps)
            while True:
                if type(step) is not Send:
                    started = started or _Started(self._transport)
                    step = steps.send(self._do(step, started))
                    continue
                try:
                    outputs = self._transport.send(step.address, step.request, step.timeout_s, step.metadata)
                except SeatrialError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(outputs)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            steps.close()
            if started is not None:
                started.cancel()

    def _do(self, step: Step, started: _Started) -> Ended | None:
        if isinstance(step, Start):
            started.start(step)
        elif isinstance(step, Await):
            return started.next(step.timeout_s)
        elif isinstance(step, Probe):
            told = partial(self._probed, step.address)
            self._transport.probe(step.address, step.model, step.version, ANSWER_S, told)
        elif isinstance(step, WaitForNews):
            self._discovery.wait(step.revision, step.timeout_s)
        return None

    def _probed(self, address: str, ready: bool) -> None:
        self._balancer.ready(address, time.monotonic(), ready)


class _Started:
    """Requests that were started side by side."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._ended: queue.SimpleQueue[Ended] | None = None
        self._cancels: list[Callable[[], object]] = []

    def start(self, step: Start) -> None:
        if self._ended is None:
            self._ended = queue.SimpleQueue()
        cancel = self._transport.start(step.address, step.request, step.timeout_s, step.metadata, self._ended.put)
        self._cancels.append(cancel)

    def next(self, timeout_s: float | None) -> Ended | None:
        assert self._ended is not None
        try:
            return self._ended.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def cancel(self) -> None:
        for cancel in self._cancels:
            cancel()
