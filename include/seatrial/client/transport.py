"""Requests to Inference Servers by gRPC (Open Inference Protocol). With aio_transport the only importer of gRPC.

`GrpcTransport` (threads) and aio_transport's `AioTransport` (asyncio) send bytes that were encoded before, and read the
answers. Both keep one connection per address, made at the first call and made again by gRPC after a failure.
Outputs come back as read-only arrays over the answer's bytes: copy before writing into them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import grpc

from seatrial.client import messages
from seatrial.client.answers import ModelStatistics, outputs_of, statistics_of
from seatrial.client.channels import CHANNEL_OPTIONS, Connection
from seatrial.client.encoder import encode_tensors
from seatrial.client.grpc_errors import translate
from seatrial.client.steps import EncodedRequest, Ended, Metadata
from seatrial.errors import Refused, SeatrialError, ServerFailed
from seatrial.tensors import Array, Tensors

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["EncodedRequest", "GrpcTransport", "ModelStatistics", "Transport", "encode"]

Cancel = Callable[[], object]


class Transport(Protocol):
    """How a request reaches an Inference Server. May be called by many threads at once."""

    def send(
        self, address: str, encoded: EncodedRequest, timeout_s: float, metadata: Metadata | None = None
    ) -> dict[str, Array]:
        """Outputs by name. Raises the errors of `grpc_errors.translate`, and ServerFailed for an unreadable answer."""
        ...

    def start(
        self,
        address: str,
        encoded: EncodedRequest,
        timeout_s: float,
        metadata: Metadata | None,
        ended: Callable[[Ended], None],
    ) -> Cancel:
        """Begin to send; `ended` is called once, from any thread, unless what is returned was called before."""
        ...

    def probe(self, address: str, model: str, version: int, timeout_s: float, told: Callable[[bool], None]) -> None:
        """Begin to ask whether the server is ready for the model; `told` is called once, from any thread."""
        ...

    def forget(self, address: str) -> None:
        """Give up the connection to an address; calls under way on it finish."""
        ...

    def close(self) -> None:
        """End all connections and the calls under way. A second call does nothing."""
        ...


def encode(model: str, version: int, tensors: Tensors) -> EncodedRequest:
    """The request's bytes. Raises Refused for dtypes that the protocol lacks and above 2 GiB, gRPC's message limit."""
    return EncodedRequest(model, version, encode_tensors(model, version, tensors))


class GrpcTransport:
    """Blocking calls, safe for many threads. After `close` every call is Refused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: dict[str, Connection] = {}
        self._closed = False

    def infer(self, address: str, model: str, version: int, tensors: Tensors, timeout_s: float) -> dict[str, Array]:
        """`encode` and `send` in one."""
        return self.send(address, encode(model, version, tensors), timeout_s)

    def send(
        self, address: str, encoded: EncodedRequest, timeout_s: float, metadata: Metadata | None = None
    ) -> dict[str, Array]:
        call = (self._connections.get(address) or self._connection(address)).infer
        try:
            answer = call(encoded.payload, timeout_s, metadata)
        except (grpc.RpcError, ValueError) as error:
            raise _failure(address, error) from error
        return outputs_of(address, encoded, answer)

    def start(
        self,
        address: str,
        encoded: EncodedRequest,
        timeout_s: float,
        metadata: Metadata | None,
        ended: Callable[[Ended], None],
    ) -> Cancel:
        connection = self._connection(address)
        try:
            call = connection.infer.future(encoded.payload, timeout=timeout_s, metadata=metadata)
        except ValueError as error:
            raise Refused("this transport is closed") from error
        call.add_done_callback(lambda done: None if done.cancelled() else ended(_ended(address, encoded, done)))
        cancel: Cancel = call.cancel
        return cancel

    def probe(self, address: str, model: str, version: int, timeout_s: float, told: Callable[[bool], None]) -> None:
        call = self._connection(address).ready.future(messages.ready_request(model, version), timeout=timeout_s)
        call.add_done_callback(
            lambda done: told(done.code() is grpc.StatusCode.OK and messages.is_ready(done.result()))
        )

    def model_statistics(self, address: str, model: str, version: int, timeout_s: float = 5.0) -> ModelStatistics:
        """The server's own counters of one model. Raises as `send` does."""
        from google.protobuf.message import DecodeError
        from tritonclient.grpc import service_pb2  # 0.1 s, which a client that only infers does not pay

        request = service_pb2.ModelStatisticsRequest(name=model, version=str(version)).SerializeToString()
        call = self._connection(address).call("ModelStatistics")
        try:
            return statistics_of(address, service_pb2.ModelStatisticsResponse.FromString(call(request, timeout_s)))
        except DecodeError as error:
            raise ServerFailed(f"{address} answered no statistics", address=address) from error
        except (grpc.RpcError, ValueError) as error:
            raise _failure(address, error) from error

    def forget(self, address: str) -> None:
        with self._lock:
            self._connections.pop(address, None)  # not closed, which would cancel calls under way: the last frees it

    def close(self) -> None:
        with self._lock:
            self._closed = True
            connections, self._connections = self._connections, {}
        for connection in connections.values():
            connection.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connection(self, address: str) -> Connection:
        with self._lock:
            if self._closed:
                raise Refused("this transport is closed")
            found = self._connections.get(address)
            if found is None:
                found = Connection(grpc.insecure_channel(address, options=CHANNEL_OPTIONS))
                self._connections[address] = found
            return found


def _failure(address: str, error: Any) -> SeatrialError:
    """Of a blocking call; a ValueError is gRPC's answer to a call on a channel that another thread has just closed."""
    if isinstance(error, ValueError):
        return Refused("this transport is closed")
    return translate(error.code().name, error.details(), address)


def _ended(address: str, encoded: EncodedRequest, call: Any) -> Ended:
    if call.code() is not grpc.StatusCode.OK:
        return Ended(address, None, translate(call.code().name, call.details(), address))
    try:
        return Ended(address, outputs_of(address, encoded, call.result()), None)
    except SeatrialError as error:
        return Ended(address, None, error)
