"""Does what the steps of a call ask, in an asyncio loop. See driver.py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from seatrial.client.aio_transport import AsyncTransport
from seatrial.client.balancer import Balancer
from seatrial.client.discovery import Discovery
from seatrial.client.health import ANSWER_S
from seatrial.client.steps import Await, Ended, Probe, Send, Start, Step, WaitForNews
from seatrial.errors import SeatrialError

T = TypeVar("T")


class AsyncDriver:
    """For one asyncio loop."""

    def __init__(self, transport: AsyncTransport, discovery: Discovery, balancer: Balancer) -> None:
        self._transport, self._discovery, self._balancer = transport, discovery, balancer
        self._arrived = asyncio.Event()  # replaced with each news

    def news_came(self) -> None:
        """Who waits for news goes on. Called in the loop."""
        self._arrived.set()
        self._arrived = asyncio.Event()

    async def drive(self, steps: Generator[Step, Any, T]) -> T:
        """See Driver.drive."""
        started: _Started | None = None
        try:
            step = next(steps)
            while True:
                if type(step) is not Send:
                    started = started or _Started(self._transport)
                    step = steps.send(await self._do(step, started))
                    continue
                try:
                    outputs = await self._transport.infer(step.address, step.request, step.timeout_s, step.metadata)
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

    async def _do(self, step: Step, started: _Started) -> Ended | None:
        if isinstance(step, Start):
            started.start(step)
        elif isinstance(step, Await):
            return await started.next(step.timeout_s)
        elif isinstance(step, Probe):
            told = partial(self._probed, step.address)
            self._transport.probe(step.address, step.model, step.version, ANSWER_S, told)
        elif isinstance(step, WaitForNews):
            await self._wait(step)
        return None

    async def _wait(self, step: WaitForNews) -> None:
        arrived = self._arrived
        if self._discovery.news.revision == step.revision:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(arrived.wait(), step.timeout_s)

    def _probed(self, address: str, ready: bool) -> None:
        self._balancer.ready(address, time.monotonic(), ready)


class _Started:
    """Requests that were started side by side."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._tasks: set[asyncio.Task[Ended]] = set()

    def start(self, step: Start) -> None:
        self._tasks.add(asyncio.ensure_future(self._one(step)))

    async def next(self, timeout_s: float | None) -> Ended | None:
        done, _ = await asyncio.wait(self._tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return None
        task = done.pop()
        self._tasks.discard(task)
        return task.result()

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _one(self, step: Start) -> Ended:
        try:
            outputs = await self._transport.infer(step.address, step.request, step.timeout_s, step.metadata)
        except SeatrialError as error:
            return Ended(step.address, None, error)
        return Ended(step.address, outputs, None)
