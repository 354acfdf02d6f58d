"""Requests to Inference Servers by gRPC (Open Inference Protocol). The only importer of tritonclient and grpc.

`encode` makes the bytes of a request once; `GrpcTransport` (threads) and `AioTransport` (asyncio, for load) send them.
Both keep one connection per address, made at the first call and made again by gRPC after a failure.
Outputs come back as read-only arrays over the answer's bytes: copy before writing into them.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import grpc
from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from seatrial.client.grpc_errors import translate
from seatrial.client.wire import BadContents, from_raw, to_raw
from seatrial.errors import Refused, ServerFailed
from seatrial.tensors import Array, Tensors, dtype_name

_INFER = "/inference.GRPCInferenceService/ModelInfer"
_STATISTICS = "/inference.GRPCInferenceService/ModelStatistics"
_LARGEST = 2**31 - 1

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", _LARGEST),
    ("grpc.max_receive_message_length", _LARGEST),
    # A server that was stopped or cut off, not ended, must not hold a call until its deadline: ask during calls only,
    # and at most twice without data, since a Triton server closes connections that ping three times (max_ping_strikes).
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 2),
    # A replaced server often gets the address of its predecessor: find it at once, gRPC's default pauses reach 120 s.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Servers are addressed directly: a proxy meant for the web must not see loopback traffic.
    ("grpc.enable_http_proxy", 0),
    # Each transport has its own connections, so that measured load does not share one with other callers.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True)
class EncodedRequest:
    """A ModelInfer request as bytes, ready to be sent any number of times to any server of that model and version."""

    model: str
    version: int
    payload: bytes


@dataclass(frozen=True)
class ModelStatistics:
    """Counters of one model since it was loaded. Times are seconds, summed; a batch's compute time counts once."""

    requests: int
    failures: int
    executions: int
    queue_s: float
    compute_s: float


class Transport(Protocol):
    """How a request reaches an Inference Server. May be called by many threads at once."""

    def infer(self, address: str, model: str, version: int, tensors: Tensors, timeout_s: float) -> dict[str, Array]:
        """`encode` and `send` in one."""
        ...

    def send(self, address: str, encoded: EncodedRequest, timeout_s: float) -> dict[str, Array]:
        """Outputs by name. Raises the errors of `grpc_errors.translate`, and ServerFailed for an unreadable answer."""
        ...

    def forget(self, address: str) -> None:
        """Give up the connection to an address; calls under way on it finish."""
        ...

    def close(self) -> None:
        """End all connections and the calls under way. A second call does nothing."""
        ...


def encode(model: str, version: int, tensors: Tensors) -> EncodedRequest:
    """The request's bytes. Raises Refused for dtypes that the protocol lacks and above 2 GiB, gRPC's message limit."""
    request = service_pb2.ModelInferRequest(model_name=model, model_version=str(version))
    size = 0
    for name, array in tensors.items():
        request.inputs.add(name=name, datatype=dtype_name(array), shape=array.shape)
        raw = to_raw(array)
        size += len(raw)
        if size > _LARGEST - 2**20:
            raise Refused(f"layer {name!r}: the request passes 2 GiB, the limit of a gRPC message", field=name)
        request.raw_input_contents.append(raw)
    return EncodedRequest(model, version, request.SerializeToString())


class GrpcTransport:
    """Blocking calls, safe for many threads. After `close` every call is Refused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channels: dict[str, Any] = {}
        self._closed = False

    def infer(self, address: str, model: str, version: int, tensors: Tensors, timeout_s: float) -> dict[str, Array]:
        return self.send(address, encode(model, version, tensors), timeout_s)

    def send(self, address: str, encoded: EncodedRequest, timeout_s: float) -> dict[str, Array]:
        return _outputs(address, self._call(address, _INFER, encoded.payload, timeout_s))

    def model_statistics(self, address: str, model: str, version: int, timeout_s: float = 5.0) -> ModelStatistics:
        """The server's own counters of one model. Raises as `send` does."""
        request = service_pb2.ModelStatisticsRequest(name=model, version=str(version))
        answer = self._call(address, _STATISTICS, request.SerializeToString(), timeout_s)
        return _statistics(address, answer)

    def forget(self, address: str) -> None:
        with self._lock:
            self._channels.pop(address, None)  # not closed, which would cancel calls under way: the last one frees it

    def close(self) -> None:
        with self._lock:
            self._closed = True
            channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, address: str, method: str, payload: bytes, timeout_s: float) -> bytes:
        call = self._channel(address).unary_unary(method)  # no serialiser: bytes go out and come back as they are
        try:
            answer: bytes = call(payload, timeout=timeout_s)
        except grpc.RpcError as error:
            raise translate(error.code().name, error.details(), address) from error
        except ValueError as error:  # grpc's answer to a call on a channel that another thread has just closed
            raise Refused("this transport is closed") from error
        return answer

    def _channel(self, address: str) -> Any:
        with self._lock:
            if self._closed:
                raise Refused("this transport is closed")
            channel = self._channels.get(address)
            if channel is None:
                channel = self._channels[address] = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
            return channel


class AioTransport:
    """The same for one asyncio loop. Make it, use it and close it inside that loop; `async with` does."""

    def __init__(self) -> None:
        self._calls: dict[str, tuple[Any, Any]] = {}
        self._closed = False

    async def send(
        self, address: str, encoded: EncodedRequest, timeout_s: float, *, decode: bool = False
    ) -> dict[str, Array] | None:
        """Wait for the answer. None unless `decode`: a load generator saves the time. Raises as GrpcTransport."""
        try:
            answer: bytes = await self._call(address)(encoded.payload, timeout=timeout_s)
        except grpc.RpcError as error:
            raise translate(error.code().name, error.details(), address) from error
        return _outputs(address, answer) if decode else None

    async def close(self) -> None:
        """End all connections; calls under way are cancelled. A second call does nothing."""
        self._closed = True
        calls, self._calls = self._calls, {}
        for channel, _ in calls.values():
            await channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _call(self, address: str) -> Any:
        if self._closed:
            raise Refused("this transport is closed")
        found = self._calls.get(address)
        if found is None:
            channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
            found = self._calls[address] = (channel, channel.unary_unary(_INFER))
        return found[1]


def _parsed(address: str, kind: Any, answer: bytes) -> Any:
    try:
        return kind.FromString(answer)
    except DecodeError as error:
        raise ServerFailed(f"{address} answered no {kind.__name__}", address=address) from error


def _outputs(address: str, answer: bytes) -> dict[str, Array]:
    response = _parsed(address, service_pb2.ModelInferResponse, answer)
    if len(response.raw_output_contents) != len(response.outputs):  # Triton answers raw contents, whatever was asked
        raise ServerFailed(f"{address} answered outputs without raw contents", address=address)
    try:
        return {
            output.name: from_raw(output.datatype, tuple(output.shape), raw)
            for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
        }
    except BadContents as error:
        raise ServerFailed(f"{address} answered an output of {error}", address=address) from error


def _statistics(address: str, answer: bytes) -> ModelStatistics:
    response = _parsed(address, service_pb2.ModelStatisticsResponse, answer)
    if len(response.model_stats) != 1:
        raise ServerFailed(f"{address} answered statistics of {len(response.model_stats)} models", address=address)
    stats = response.model_stats[0]
    times = [(b.compute_input.ns, b.compute_infer.ns, b.compute_output.ns) for b in stats.batch_stats]
    return ModelStatistics(
        requests=stats.inference_stats.success.count,
        failures=stats.inference_stats.fail.count,
        executions=stats.execution_count,
        queue_s=stats.inference_stats.queue.ns / 1e9,
        compute_s=sum(map(sum, times)) / 1e9,
    )
