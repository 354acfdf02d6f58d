"""A steady open loop of calls, by threads or in asyncio: each is sent at its moment, whatever became of the others.

Latency counts from the moment at which a call was to be sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.failover_platform import MODEL, Platform
from seatrial import AsyncInferenceClient, InferenceClient
from seatrial.errors import SeatrialError
from tests.rollover import GOOD as X

THREADS, TIMEOUT_S = 128, 10.0
WARM_UP = 30
CLOSED_S, CLOSED_THREADS = 3.0, 12

Begin = Callable[[float], None]
"""Told the moment (monotonic) at which a load begins."""


@dataclass(frozen=True)
class Call:
    """When it was to be sent, since the beginning; after how long it ended; who answered, or how it failed."""

    due_s: float
    latency_s: float
    address: str
    failed: str


@dataclass
class Record:
    """The calls of one load, and the moment (monotonic) at which it began."""

    began: float = field(default_factory=time.monotonic)
    calls: list[Call] = field(default_factory=list)

    def left_s(self, due_s: float) -> float:
        return max(0.0, self.began + due_s - time.monotonic())

    def answered(self, due_s: float, address: str) -> None:
        self.calls.append(Call(due_s, time.monotonic() - self.began - due_s, address, ""))

    def failed(self, due_s: float, error: SeatrialError) -> None:
        self.calls.append(Call(due_s, time.monotonic() - self.began - due_s, "", f"{type(error).__name__}: {error}"))


def by_threads(platform: Platform, due: Sequence[float], begin: Begin) -> Record:
    with (
        InferenceClient(platform.url, platform.token, timeout_s=TIMEOUT_S) as client,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        for _ in range(WARM_UP):
            client.infer(MODEL, x=X)
        record = Record()
        begin(record.began)

        def one(due_s: float) -> None:
            try:
                record.answered(due_s, client.infer(MODEL, x=X).endpoint)
            except SeatrialError as error:
                record.failed(due_s, error)

        for due_s in due:
            time.sleep(record.left_s(due_s))
            pool.submit(one, due_s)
        pool.shutdown(wait=True)
    return record


def in_asyncio(platform: Platform, due: Sequence[float], begin: Begin) -> Record:
    return asyncio.run(_in_asyncio(platform, due, begin))


async def _in_asyncio(platform: Platform, due: Sequence[float], begin: Begin) -> Record:
    async with AsyncInferenceClient(platform.url, platform.token, timeout_s=TIMEOUT_S) as client:
        for _ in range(WARM_UP):
            await client.infer(MODEL, x=X)
        record, tasks = Record(), []
        begin(record.began)

        async def one(due_s: float) -> None:
            try:
                record.answered(due_s, (await client.infer(MODEL, x=X)).endpoint)
            except SeatrialError as error:
                record.failed(due_s, error)

        for due_s in due:
            await asyncio.sleep(record.left_s(due_s))
            tasks.append(asyncio.create_task(one(due_s)))
        await asyncio.gather(*tasks)
    return record


LOADS: Mapping[str, Callable[[Platform, Sequence[float], Begin], Record]] = {
    "asyncio": in_asyncio,
    "threads": by_threads,
}


def capacity_per_s(platform: Platform) -> float:
    """Calls a second that the replicas answer when there is always another one waiting."""
    with (
        InferenceClient(platform.url, platform.token, timeout_s=TIMEOUT_S) as client,
        ThreadPoolExecutor(CLOSED_THREADS) as pool,
    ):
        for _ in range(WARM_UP):
            client.infer(MODEL, x=X)
        began = time.monotonic()

        def loop(_: int) -> int:
            calls = 0
            while time.monotonic() < began + CLOSED_S:
                client.infer(MODEL, x=X)
                calls += 1
            return calls

        calls = sum(pool.map(loop, range(CLOSED_THREADS)))
        return calls / (time.monotonic() - began)
