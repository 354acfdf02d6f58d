"""Requests to Inference Servers by gRPC in an asyncio loop. See transport.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import grpc

from seatrial.client import messages
from seatrial.client.answers import outputs_of
from seatrial.client.channels import CHANNEL_OPTIONS, Connection
from seatrial.client.grpc_errors import translate
from seatrial.client.steps import EncodedRequest, Metadata
from seatrial.errors import Refused
from seatrial.tensors import Array

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncTransport(Protocol):
    """Transport for one asyncio loop: started requests are tasks of their own there, so `send` is enough."""

    async def infer(
        self, address: str, encoded: EncodedRequest, timeout_s: float, metadata: Metadata | None = None
    ) -> dict[str, Array]: ...

    def probe(self, address: str, model: str, version: int, timeout_s: float, told: Callable[[bool], None]) -> None: ...

    def forget(self, address: str) -> None: ...

    async def close(self) -> None: ...


class AioTransport:
    """GrpcTransport for one asyncio loop. Make it, use it and close it inside that loop; `async with` does."""

    def __init__(self) -> None:
        self._connections: dict[str, Connection] = {}
        self._probes: set[asyncio.Task[None]] = set()
        self._closed = False

    async def infer(
        self, address: str, encoded: EncodedRequest, timeout_s: float, metadata: Metadata | None = None
    ) -> dict[str, Array]:
        """Outputs by name. Raises as GrpcTransport."""
        call = (self._connections.get(address) or self._connection(address)).infer
        try:
            answer = await call(encoded.payload, timeout=timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            raise translate(error.code().name, error.details(), address) from error
        return outputs_of(address, encoded, answer)

    async def send(self, address: str, encoded: EncodedRequest, timeout_s: float) -> None:
        """Wait for the answer and leave it unread: a load generator saves the time. Raises as GrpcTransport."""
        try:
            await self._connection(address).infer(encoded.payload, timeout=timeout_s)
        except grpc.RpcError as error:
            raise translate(error.code().name, error.details(), address) from error

    def probe(self, address: str, model: str, version: int, timeout_s: float, told: Callable[[bool], None]) -> None:
        """As GrpcTransport's."""

        async def ask() -> None:
            try:
                request = messages.ready_request(model, version)
                ready = messages.is_ready(await self._connection(address).ready(request, timeout=timeout_s))
            except (grpc.RpcError, Refused):
                ready = False
            told(ready)

        task = asyncio.ensure_future(ask())
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    def forget(self, address: str) -> None:
        self._connections.pop(address, None)

    async def close(self) -> None:
        """End all connections; calls under way are cancelled. A second call does nothing."""
        self._closed = True
        for probe in self._probes:
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)
        connections, self._connections = self._connections, {}
        for connection in connections.values():
            await connection.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _connection(self, address: str) -> Connection:
        if self._closed:
            raise Refused("this transport is closed")
        found = self._connections.get(address)
        if found is None:
            found = Connection(grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS))
            self._connections[address] = found
        return found
