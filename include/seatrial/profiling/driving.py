"""Load on other replicas while one is measured, in a process of its own: what it sends must not delay what is timed.

`Driver` is the side that asks. This file run as a program is the side that sends: it reads one JSON object a line, the
addresses and requests first, then loads, and answers each with one line. It ends when nobody is left to ask.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from seatrial.client.aio_transport import AioTransport
from seatrial.client.steps import EncodedRequest
from seatrial.errors import SeatrialError
from seatrial.profiling.sending_process import SendingProcess, from_wire, say, wire_form

if TYPE_CHECKING:
    from typing import Self

TIMEOUT_S = 30.0
PAUSE_S = 0.05
"""After a request that failed: a server that refuses at once is not to be asked ten thousand times a second."""
DRAIN_S = 5.0
"""At the end of a load, for what is still being answered: it would disturb what is measured next."""
LONGEST_LINE = 2**30


class Load(BaseModel):
    """What each server gets: `concurrency` callers, or Poisson arrivals at `rate` requests/s, of which no more than
    `bound` wait for an answer: more are left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    concurrency: int = 0
    rate: float = 0.0
    bound: int = 0
    seed: int = 0


class Driven(BaseModel):
    """What became of a load, all servers together; the first `reason` of those that failed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    answered: int
    failed: int
    reason: str = ""


class Driver:
    """Sends `requests` to all of `addresses` while a block of `driving` runs. A context: its process is gone after."""

    def __init__(self, addresses: Sequence[str], requests: Sequence[EncodedRequest]) -> None:
        self._addresses, self._requests = tuple(addresses), tuple(requests)

    def __enter__(self) -> Self:
        self._process = SendingProcess(__name__)
        self._process.tell({"addresses": self._addresses, **wire_form(self._requests)})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.__exit__(kind, error, tb)

    @contextmanager
    def driving(self, load: Load) -> Iterator[list[Driven]]:
        """The load begins before the block, each server having answered once, and ends with it; what became of it is
        in the list then. Raises ServerFailed when a server does not answer."""
        self._process.tell(load.model_dump())
        self._process.answer()
        found: list[Driven] = []
        yield found
        self._process.tell({"stop": True})
        found.append(Driven.model_validate(self._process.answer()))


@dataclass
class _Sender:
    """One load on one server."""

    transport: AioTransport
    address: str
    requests: Sequence[EncodedRequest]
    answered: int = 0
    failed: int = 0
    reason: str = ""
    outstanding: set[asyncio.Task[bool]] = field(default_factory=set)
    turn: int = 0

    async def first(self) -> None:
        """Raises as AioTransport."""
        await self.transport.send(self.address, self.requests[0], TIMEOUT_S)

    async def closed(self) -> None:
        while True:
            sent = self._begin()
            await asyncio.wait([sent])  # which goes on when this caller is cancelled
            if not sent.result():
                await asyncio.sleep(PAUSE_S)

    async def open(self, load: Load) -> None:
        random, loop = np.random.default_rng(load.seed), asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += random.exponential(1 / load.rate)
            await asyncio.sleep(max(0.0, due - loop.time()))
            if len(self.outstanding) < load.bound:
                self._begin()

    def _begin(self) -> asyncio.Task[bool]:
        task = asyncio.create_task(self._send())
        self.outstanding.add(task)
        task.add_done_callback(self.outstanding.discard)
        return task

    async def _send(self) -> bool:
        """Whether it was answered."""
        self.turn += 1
        try:
            await self.transport.send(self.address, self.requests[self.turn % len(self.requests)], TIMEOUT_S)
        except SeatrialError as error:
            self.failed += 1
            self.reason = self.reason or str(error)
            return False
        self.answered += 1
        return True


async def _serve() -> None:
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    given = json.loads(await reader.readline())
    requests = from_wire(given)
    async with AioTransport() as transport:
        while line := await reader.readline():
            load = Load.model_validate_json(line)
            senders = [
                _Sender(transport, address, requests, turn=number) for number, address in enumerate(given["addresses"])
            ]
            try:
                await asyncio.gather(*(sender.first() for sender in senders))
            except SeatrialError as error:
                say({"error": f"a neighbour does not answer: {error.message}"})
                continue
            work = [
                asyncio.create_task(one) for number, sender in enumerate(senders) for one in _work(sender, load, number)
            ]
            say({"driving": True})
            if not await reader.readline():
                return  # nobody is left to ask
            await _end(work, senders)
            say(_sum(senders).model_dump())


async def _end(work: Sequence[asyncio.Task[None]], senders: Sequence[_Sender]) -> None:
    """Nothing more is sent, and what was sent is answered, or given up."""
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    outstanding = [task for sender in senders for task in sender.outstanding]
    if outstanding:
        _, stuck = await asyncio.wait(outstanding, timeout=DRAIN_S)
        for one in stuck:
            one.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)


def _work(sender: _Sender, load: Load, number: int) -> Iterator[Coroutine[Any, Any, None]]:
    """Servers do not get their requests at the same moments."""
    if load.rate:
        yield sender.open(load.model_copy(update={"seed": load.seed + number}))
    else:
        yield from (sender.closed() for _ in range(load.concurrency))


def _sum(senders: Sequence[_Sender]) -> Driven:
    return Driven(
        answered=sum(sender.answered for sender in senders),
        failed=sum(sender.failed for sender in senders),
        reason=next((sender.reason for sender in senders if sender.reason), ""),
    )


if __name__ == "__main__":
    asyncio.run(_serve())
