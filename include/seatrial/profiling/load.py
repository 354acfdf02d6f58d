"""Load on one Inference Server: open loop with Poisson arrivals, or closed loop for saturation.

Latency counts from the intended send moment, so a generator that falls behind cannot hide the queue (no coordinated
omission). Requests are encoded beforehand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seatrial.client.transport import AioTransport, EncodedRequest
from seatrial.errors import SeatrialError, ServerFailed
from seatrial.tensors import Array

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class LoadResult:
    """One level of load. `latency_s` of answered requests, `lateness_s` of every send, `failed` with first reasons."""

    rate: float
    seconds: float
    latency_s: Array
    lateness_s: Array
    failed: int
    reasons: tuple[str, ...]
    aborted: bool

    def percentile_ms(self, percentile: float) -> float:
        return float(np.percentile(self.latency_s, percentile)) * 1000 if len(self.latency_s) else float("inf")

    def late_share(self, limit_s: float) -> float:
        """Share of requests later than the limit; failed ones are late."""
        sent = len(self.latency_s) + self.failed
        return (int(np.sum(self.latency_s > limit_s)) + self.failed) / sent if sent else 1.0


def closed_loop(
    address: str, requests: Sequence[EncodedRequest], *, concurrency: int, seconds: float, least: int
) -> LoadResult:
    """`concurrency` callers, each sending when its last call is answered, for `seconds` and at least `least` calls."""
    return asyncio.run(_closed(address, requests, concurrency, seconds, least))


def open_loop(
    address: str, requests: Sequence[EncodedRequest], *, rate: float, seconds: float, seed: int, bound: int
) -> LoadResult:
    """Poisson arrivals at `rate` a second, however slow the answers; aborted when more than `bound` are outstanding."""
    return asyncio.run(_open(address, requests, rate, seconds, seed, bound))


async def _closed(
    address: str, requests: Sequence[EncodedRequest], concurrency: int, seconds: float, least: int
) -> LoadResult:
    latency: list[float] = []
    reasons: list[str] = []
    began = time.monotonic()

    async def caller(transport: AioTransport, turn: int) -> None:
        while time.monotonic() - began < seconds or len(latency) + len(reasons) < least:
            sent = time.monotonic()
            try:
                await transport.send(address, requests[turn % len(requests)], TIMEOUT_S)
            except SeatrialError as error:
                reasons.append(str(error))
                if len(reasons) >= 10:
                    raise ServerFailed(f"the server fails under load: {error}") from error
            else:
                latency.append(time.monotonic() - sent)
            turn += 1

    async with AioTransport() as transport:
        await asyncio.gather(*(caller(transport, turn) for turn in range(concurrency)))
    spent = time.monotonic() - began
    return LoadResult(
        len(latency) / spent, spent, np.array(latency), np.zeros(0), len(reasons), tuple(reasons[:3]), False
    )


async def _open(
    address: str, requests: Sequence[EncodedRequest], rate: float, seconds: float, seed: int, bound: int
) -> LoadResult:
    intended = np.cumsum(np.random.default_rng(seed).exponential(1 / rate, int(rate * seconds * 1.5) + 50))
    intended = intended[intended < seconds]
    latency: list[float] = []
    lateness: list[float] = []
    reasons: list[str] = []
    outstanding: set[asyncio.Task[None]] = set()
    aborted = False

    async def one(transport: AioTransport, request: EncodedRequest, due: float) -> None:
        lateness.append(time.monotonic() - due)
        try:
            await transport.send(address, request, TIMEOUT_S)
        except SeatrialError as error:
            reasons.append(str(error))
        else:
            latency.append(time.monotonic() - due)

    async with AioTransport() as transport:
        await transport.send(address, requests[0], TIMEOUT_S)  # the connection is not part of the load
        began = time.monotonic()
        for index, offset in enumerate(intended):
            due = began + float(offset)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if len(outstanding) > bound:
                aborted = True
                break
            task = asyncio.create_task(one(transport, requests[index % len(requests)], due))
            outstanding.add(task)
            task.add_done_callback(outstanding.discard)
        if outstanding:
            await asyncio.wait(outstanding)
    return LoadResult(rate, seconds, np.array(latency), np.array(lateness), len(reasons), tuple(reasons[:3]), aborted)
