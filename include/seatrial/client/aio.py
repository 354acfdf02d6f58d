"""The Inference Client for asyncio: the same calls, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from numpy.typing import ArrayLike

from seatrial.client import batches
from seatrial.client.aio_transport import AioTransport
from seatrial.client.balancer import ANSWER_S
from seatrial.client.news import News
from seatrial.client.observers import Observer
from seatrial.client.parts import Parts
from seatrial.client.routes import Target
from seatrial.client.steps import (
    Await,
    EncodedRequest,
    Ended,
    InferResult,
    Metadata,
    Probe,
    Send,
    Start,
    Step,
    WaitForNews,
)
from seatrial.errors import SeatrialError
from seatrial.tensors import Array

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

T = TypeVar("T")


class AsyncTransport(Protocol):
    """Transport for one asyncio loop: started requests are tasks of their own there, so `send` is enough."""

    async def infer(
        self, address: str, encoded: EncodedRequest, timeout_s: float, metadata: Metadata | None = None
    ) -> dict[str, Array]: ...

    def probe(self, address: str, model: str, version: int, timeout_s: float, told: Callable[[bool], None]) -> None: ...

    def forget(self, address: str) -> None: ...

    async def close(self) -> None: ...


class AsyncInferenceClient:
    """InferenceClient for one asyncio loop, made inside it: the same arguments, rules and errors.

    Discovery runs in the thread that all clients of the process share; nothing else leaves the loop. Captures do.
    A call that is cancelled gives up what was sent.
    """

    def __init__(
        self,
        manager_url: str | None = None,
        token: str | None = None,
        *,
        cache_file: Path | None = None,
        timeout_s: float = 10.0,
        hedge_after_s: float | None = None,
        observer: Observer | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._parts = Parts(manager_url, token, cache_file=cache_file, hedge_after_s=hedge_after_s, observer=observer)
        self._transport: AsyncTransport = transport or AioTransport()
        self._timeout_s = timeout_s
        self._arrived = asyncio.Event()  # replaced with each news
        self.capture = self._parts.capture
        self._parts.listen(self._heard)

    async def infer(
        self,
        model: str | int,
        layers: Mapping[str, ArrayLike] | None = None,
        /,
        *,
        version: int | None = None,
        stage: str = "Production",
        environment: str = "local",
        timeout_s: float | None = None,
        **named: ArrayLike,
    ) -> InferResult:
        """See InferenceClient.infer."""
        given = {**layers, **named} if layers else named
        target = Target(model, version, stage, environment)
        return await self._drive(self._parts.calls.call(target, given, self._seconds(timeout_s)))

    async def infer_batch(
        self,
        model: str | int,
        layers: Mapping[str, ArrayLike] | None = None,
        /,
        *,
        rows: int | None = None,
        version: int | None = None,
        stage: str = "Production",
        environment: str = "local",
        timeout_s: float | None = None,
        **named: ArrayLike,
    ) -> dict[str, Any]:
        """See InferenceClient.infer_batch."""
        until = time.monotonic() + self._seconds(timeout_s)
        target = Target(model, version, stage, environment)
        route = await self._drive(self._parts.calls.route(target, until - time.monotonic()))
        pieces = batches.split(route.signature, {**(layers or {}), **named}, len(route.endpoints), rows)
        pinned = Target(route.model, route.version, stage, environment)
        calls = [self._parts.calls.call(pinned, piece, until - time.monotonic()) for piece in pieces]
        results = await _all(list(map(self._drive, calls)))
        return batches.join(route.signature, results)

    async def describe(
        self, model: str | int, *, version: int | None = None, stage: str = "Production", environment: str = "local"
    ) -> dict[str, Any]:
        """See InferenceClient.describe."""
        target = Target(model, version, stage, environment)
        return self._parts.describe(await self._drive(self._parts.calls.route(target, self._timeout_s)))

    async def close(self) -> None:
        """See InferenceClient.close."""
        await asyncio.to_thread(self._parts.close)
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def _seconds(self, timeout_s: float | None) -> float:
        return self._timeout_s if timeout_s is None else timeout_s

    def _heard(self, news: News) -> None:
        """In discovery's thread."""
        try:
            self._loop.call_soon_threadsafe(self._take, news)
        except RuntimeError:  # the loop has ended without closing this client
            self._parts.discovery.unlisten(self._heard)

    def _take(self, news: News) -> None:
        self._arrived.set()
        self._arrived = asyncio.Event()
        for address in self._parts.gone(news):
            self._transport.forget(address)

    async def _drive(self, steps: Generator[Step, Any, T]) -> T:
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
        if self._parts.discovery.news.revision == step.revision:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(arrived.wait(), step.timeout_s)

    def _probed(self, address: str, ready: bool) -> None:
        self._parts.calls.balancer.ready(address, time.monotonic(), ready)


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


async def _all(calls: list[Any]) -> list[InferResult]:
    """The results in order; the first that fails cancels the others."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
