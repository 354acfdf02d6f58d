"""Load on one Inference Server: open loop with given arrivals, or closed loop for saturation.

Latency counts from the intended send moment, so a generator that falls behind cannot hide the queue (no coordinated
omission). Requests are encoded beforehand. From several processes it comes where one is not enough: `load_processes`.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seatrial.client.aio_transport import AioTransport
from seatrial.client.transport import EncodedRequest
from seatrial.errors import SeatrialError, ServerFailed
from seatrial.profiling.arrivals import POISSON, Gaps, arrivals
from seatrial.profiling.late import bursts, too_many
from seatrial.tensors import Array

TIMEOUT_S = 30.0
SLICES = 10  # of a window, whose rates say how sure that of the whole is
MANY = 10
"""Failed requests, more than were answered, after which a closed loop gives up."""


@dataclass(frozen=True)
class LoadResult:
    """One level of load. Of every answered request, in the order of the answers: `latency_s`; `sent_s`, its intended
    send moment since the level began; `lateness_s`, by how much it was sent later. `failed` with the first reasons."""

    rate: float
    seconds: float
    latency_s: Array
    sent_s: Array
    lateness_s: Array
    failed: int
    reasons: tuple[str, ...]
    aborted: bool

    @property
    def left_s(self) -> Array:
        """When each request was really sent, since the level began."""
        return self.sent_s + self.lateness_s

    @property
    def server_s(self) -> Array:
        """What each request took from then on: its latency without what the generator was late."""
        return self.latency_s - self.lateness_s

    @property
    def rate_error(self) -> float:
        """Standard error of a closed loop's rate, as a share of it: by how much slices of its time differ."""
        done_s = self.sent_s + self.latency_s
        answered, _ = np.histogram(done_s, bins=SLICES, range=(0.0, float(done_s.max(initial=self.seconds))))
        return float(answered.std(ddof=1) / max(answered.mean(), 1.0) / np.sqrt(SLICES))

    def percentile_ms(self, percentile: float) -> float:
        return float(np.percentile(self.latency_s, percentile)) * 1000 if len(self.latency_s) else float("inf")

    def late_share(self, limit_s: float) -> float:
        """Share of requests later than the limit; failed ones are late."""
        sent = len(self.latency_s) + self.failed
        return (int(np.sum(self.latency_s > limit_s)) + self.failed) / sent if sent else 1.0

    def keeps(self, limit_s: float, allowed: float) -> bool:
        """Nothing failed, and no proof that more than `allowed` (a share) of the requests are later than the limit."""
        if self.aborted or self.failed or not len(self.latency_s):
            return False
        return not too_many(*self.late(limit_s), len(self.latency_s), allowed)

    def late(self, limit_s: float) -> tuple[int, int]:
        """How many answers were later than the limit, and in how many bursts."""
        late = self.sent_s[self.latency_s > limit_s]
        return len(late), bursts(late, limit_s)

    def then(self, more: LoadResult) -> LoadResult:
        """Both, of one kind of load, as one that took as long as both."""
        seconds = self.seconds + more.seconds
        return LoadResult(
            rate=(self.rate * self.seconds + more.rate * more.seconds) / seconds,
            seconds=seconds,
            latency_s=np.concatenate([self.latency_s, more.latency_s]),
            sent_s=np.concatenate([self.sent_s, self.seconds + more.sent_s]),
            lateness_s=np.concatenate([self.lateness_s, more.lateness_s]),
            failed=self.failed + more.failed,
            reasons=(self.reasons + more.reasons)[:3],
            aborted=self.aborted or more.aborted,
        )


Start = Callable[[], float]
"""Called once connected: the moment, on the monotonic clock, at which the load begins."""


def closed_loop(
    address: str,
    requests: Sequence[EncodedRequest],
    *,
    concurrency: int,
    seconds: float,
    least: int,
    start: Start = time.monotonic,
) -> LoadResult:
    """`concurrency` callers, each sending when its last call is answered, for `seconds` and at least `least` calls."""
    return _run(_closed(address, requests, concurrency, seconds, least, start))


def open_loop(
    address: str,
    requests: Sequence[EncodedRequest],
    *,
    rate: float,
    seconds: float,
    seed: int,
    bound: int,
    gaps: Gaps = POISSON,
) -> LoadResult:
    """Arrivals at `rate` a second, however slow the answers; aborted when more than `bound` are outstanding."""
    return at_moments(address, requests, moments(gaps, rate, seconds, seed), rate=rate, seconds=seconds, bound=bound)


def moments(gaps: Gaps, rate: float, seconds: float, seed: int) -> Array:
    """When the requests of a level are to be sent, in seconds since it began."""
    drawn = arrivals(gaps, rate, int(rate * seconds * 1.5) + 50, np.random.default_rng(seed))
    intended: Array = drawn[drawn < seconds]
    return intended


def at_moments(
    address: str,
    requests: Sequence[EncodedRequest],
    intended: Array,
    *,
    rate: float,
    seconds: float,
    bound: int,
    start: Start = time.monotonic,
) -> LoadResult:
    """A level, or one process's part of it."""
    return _run(_open(address, requests, intended, rate, seconds, bound, start))


def _run(work: Coroutine[Any, Any, LoadResult]) -> LoadResult:
    """In a loop that wakes to the microsecond. The usual one waits in whole milliseconds, rounded up, by which requests
    would be sent late."""
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        return runner.run(work)


async def _closed(
    address: str, requests: Sequence[EncodedRequest], concurrency: int, seconds: float, least: int, start: Start
) -> LoadResult:
    latency: list[float] = []
    sent_at: list[float] = []
    reasons: list[str] = []

    async def caller(transport: AioTransport, turn: int) -> None:
        while time.monotonic() - began < seconds or len(latency) + len(reasons) < least:
            sent = time.monotonic()
            try:
                await transport.send(address, requests[turn % len(requests)], TIMEOUT_S)
            except SeatrialError as error:
                reasons.append(str(error))
                if len(reasons) >= MANY and len(reasons) > len(latency):
                    raise ServerFailed(f"the server fails under load: {error}") from error
            else:
                latency.append(time.monotonic() - sent)
                sent_at.append(sent - began)
            turn += 1

    async with AioTransport() as transport:
        began = start()
        await asyncio.sleep(max(0.0, began - time.monotonic()))
        await asyncio.gather(*(caller(transport, turn) for turn in range(concurrency)))
    spent = time.monotonic() - began
    return LoadResult(
        rate=len(latency) / spent,
        seconds=spent,
        latency_s=np.array(latency),
        sent_s=np.array(sent_at),
        lateness_s=np.zeros(len(latency)),
        failed=len(reasons),
        reasons=tuple(reasons[:3]),
        aborted=False,
    )


async def _open(
    address: str,
    requests: Sequence[EncodedRequest],
    intended: Array,
    rate: float,
    seconds: float,
    bound: int,
    start: Start,
) -> LoadResult:
    latency: list[float] = []
    sent_at: list[float] = []
    lateness: list[float] = []
    reasons: list[str] = []
    outstanding: set[asyncio.Task[None]] = set()
    aborted = False

    async def one(transport: AioTransport, request: EncodedRequest, offset: float) -> None:
        due = began + offset
        late = time.monotonic() - due
        try:
            await transport.send(address, request, TIMEOUT_S)
        except SeatrialError as error:
            reasons.append(str(error))
        else:
            latency.append(time.monotonic() - due)
            sent_at.append(offset)
            lateness.append(late)

    async with AioTransport() as transport:
        await transport.send(address, requests[0], TIMEOUT_S)  # the connection is not part of the load
        began = start()
        for index, offset in enumerate(intended):
            await asyncio.sleep(max(0.0, began + float(offset) - time.monotonic()))
            if len(outstanding) > bound:
                aborted = True
                break
            task = asyncio.create_task(one(transport, requests[index % len(requests)], float(offset)))
            outstanding.add(task)
            task.add_done_callback(outstanding.discard)
        if outstanding:
            await asyncio.wait(outstanding)
    return LoadResult(
        rate=rate,
        seconds=seconds,
        latency_s=np.array(latency),
        sent_s=np.array(sent_at),
        lateness_s=np.array(lateness),
        failed=len(reasons),
        reasons=tuple(reasons[:3]),
        aborted=aborted,
    )
