"""The Inference Client for asyncio: the same calls, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from seatrial.client import batches
from seatrial.client.aio_driver import AsyncDriver
from seatrial.client.aio_transport import AioTransport, AsyncTransport
from seatrial.client.inputs import joined
from seatrial.client.news import News
from seatrial.client.observers import Observer
from seatrial.client.parts import Parts
from seatrial.client.routes import Target
from seatrial.client.steps import (
    InferResult,
)

if TYPE_CHECKING:
    from typing_extensions import Self


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
        self._parts = Parts(
            manager_url,
            token,
            cache_file=cache_file,
            timeout_s=timeout_s,
            hedge_after_s=hedge_after_s,
            observer=observer,
        )
        self._calls = self._parts.calls
        self._transport: AsyncTransport = transport or AioTransport()
        self._driver = AsyncDriver(self._transport, self._parts.discovery, self._calls.balancer)
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
        given = named if layers is None else joined(layers, named)
        target = Target(model, version, stage, environment)
        return await self._driver.drive(self._calls.call(target, given, timeout_s))

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
        given = named if layers is None else joined(layers, named)
        target = Target(model, version, stage, environment)
        batch = await self._driver.drive(self._calls.batch(target, given, rows, timeout_s))
        answers = [self._driver.drive(self._calls.piece(batch, piece)) for piece in batch.pieces]
        return batches.join(batch.signature, await _all(answers))

    async def describe(
        self, model: str | int, *, version: int | None = None, stage: str = "Production", environment: str = "local"
    ) -> dict[str, Any]:
        """See InferenceClient.describe."""
        target = Target(model, version, stage, environment)
        return self._parts.describe(await self._driver.drive(self._calls.route(target)))

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

    def _heard(self, news: News) -> None:
        """In discovery's thread."""
        try:
            self._loop.call_soon_threadsafe(self._take, news)
        except RuntimeError:  # the loop has ended without closing this client
            self._parts.discovery.unlisten(self._heard)

    def _take(self, news: News) -> None:
        self._driver.news_came()
        for address in self._parts.gone(news):
            self._transport.forget(address)


async def _all(calls: list[Any]) -> list[InferResult]:
    """The results in order; the first that fails cancels the others."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
