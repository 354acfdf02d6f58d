"""A real gRPC server that stands in for Triton: Open Inference Protocol, any Python function as the model.

    with InferenceServer(lambda tensors: {"y": tensors["x"] * 2}, service_s=0.005) as address:
        GrpcTransport().infer(address, "tiny", 1, {"x": x}, timeout_s=5)

- One worker, first in first out. Each call takes exactly `service_s` seconds of the worker's time: the calls' ends are
  computed (start = max(arrival, end of the one before), end = start + service), so the capacity is 1/service_s to the
  microsecond whatever the timers' resolution. `service_s` may be a function without arguments, drawn once a call.
  The function's own running time is not added: give cheap functions, or service_s = 0 for real ones.
- `models={"pitch": (1, 2)}` answers NOT_FOUND for others, as Triton does; without it every name and version is served.
- A function that raises `Status("UNAVAILABLE", "text")` makes that gRPC status; any other exception INTERNAL, as
  Triton's python backend does. A function may return arrays of any dtype of the protocol and runs in the server's
  thread.
- `server.address`, `server.answered` (number of requests answered), `server.metadata` (of the last one),
  `server.stop()` (at once, calls under way are cut off; a second call does nothing). `port=0` picks a free one; pass a
  former `server.port` to come back there.
- Several may run in one process, each in its own thread with its own loop.
- For a server that can be killed: `python tests/standins/inference_server.py --service-s 0.005` prints its address and
  serves `double` (each input `x` → output `y = 2x`) until it is ended; `process()` does that for a test.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from subprocess import PIPE, Popen
from types import TracebackType
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as pb

from seatrial.client.wire import from_raw, to_raw
from seatrial.tensors import Array, Tensors, dtype_name

Function = Callable[[dict[str, Array]], Tensors]
_OPTIONS = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0))


class Status(Exception):
    """The gRPC status that a function wants answered."""

    def __init__(self, code: str, details: str = "") -> None:
        super().__init__(code, details)
        self.code, self.details = grpc.StatusCode[code], details


def double(tensors: dict[str, Array]) -> dict[str, Array]:
    return {"y": tensors["x"] * 2}


class InferenceServer:
    """See the top of the file."""

    def __init__(
        self,
        function: Function = double,
        *,
        service_s: float | Callable[[], float] = 0.0,
        models: Mapping[str, Iterable[int]] | None = None,
        port: int = 0,
    ) -> None:
        self._function = function
        self._draw: Callable[[], float] = service_s if callable(service_s) else lambda: float(service_s)
        self._models = None if models is None else {name: set(versions) for name, versions in models.items()}
        self.port = port
        self.answered = 0
        self.metadata: tuple[tuple[str, str], ...] = ()
        self._worked_s = 0.0
        self._free_at = 0.0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="stand-in inference server", daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> str:
        """Start, and return the address once the server listens."""
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self.address

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._started.set()
            self._loop.close()

    async def _serve(self) -> None:
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers((self._handlers(),))
        self.port = server.add_insecure_port(self.address)
        await server.start()
        self._started.set()
        await self._stop.wait()
        await server.stop(grace=None)
        cut_off = asyncio.all_tasks() - {asyncio.current_task()}
        for task in cut_off:
            task.cancel()
        await asyncio.gather(*cut_off, return_exceptions=True)

    def _handlers(self) -> Any:
        def unary(handler: Callable[[Any, Any], Awaitable[Any]], request: Any, response: Any) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(
                handler, request_deserializer=request.FromString, response_serializer=response.SerializeToString
            )

        return grpc.method_handlers_generic_handler(
            "inference.GRPCInferenceService",
            {
                "ServerLive": unary(self._live, pb.ServerLiveRequest, pb.ServerLiveResponse),
                "ServerReady": unary(self._ready, pb.ServerReadyRequest, pb.ServerReadyResponse),
                "ModelReady": unary(self._model_ready, pb.ModelReadyRequest, pb.ModelReadyResponse),
                "ModelInfer": unary(self._infer, pb.ModelInferRequest, pb.ModelInferResponse),
                "ModelStatistics": unary(self._statistics, pb.ModelStatisticsRequest, pb.ModelStatisticsResponse),
            },
        )

    async def _live(self, request: Any, context: Any) -> Any:
        return pb.ServerLiveResponse(live=True)

    async def _ready(self, request: Any, context: Any) -> Any:
        return pb.ServerReadyResponse(ready=True)

    async def _model_ready(self, request: Any, context: Any) -> Any:
        return pb.ModelReadyResponse(ready=self._serves(request.name, request.version))

    async def _infer(self, request: Any, context: Any) -> Any:
        arrived = self._loop.time()
        if not self._serves(request.model_name, request.model_version):
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Request for unknown model: '{request.model_name}'")
        service_s = self._draw()
        self._free_at = max(arrived, self._free_at) + service_s
        ends = self._free_at
        try:
            outputs = self._function(_inputs(request))
        except Status as status:
            await context.abort(status.code, status.details)
        except Exception as error:
            await context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        if ends > self._loop.time():
            await asyncio.sleep(ends - self._loop.time())
        self.answered += 1
        self.metadata = tuple((key, value) for key, value in context.invocation_metadata())
        self._worked_s += service_s
        return _answer(request, outputs)

    async def _statistics(self, request: Any, context: Any) -> Any:
        response = pb.ModelStatisticsResponse()
        stats = response.model_stats.add(name=request.name, version=request.version, execution_count=self.answered)
        stats.inference_stats.success.count = self.answered
        batch = stats.batch_stats.add(batch_size=1)
        batch.compute_infer.count, batch.compute_infer.ns = self.answered, int(self._worked_s * 1e9)
        return response

    def _serves(self, name: str, version: str) -> bool:
        return self._models is None or int(version) in self._models.get(name, set())


def _inputs(request: Any) -> dict[str, Array]:
    return {
        layer.name: from_raw(layer.datatype, tuple(layer.shape), raw)
        for layer, raw in zip(request.inputs, request.raw_input_contents, strict=True)
    }


def _answer(request: Any, outputs: Tensors) -> Any:
    response = pb.ModelInferResponse(model_name=request.model_name, model_version=request.model_version)
    for name, array in outputs.items():
        response.outputs.add(name=name, datatype=dtype_name(array), shape=array.shape)
        response.raw_output_contents.append(to_raw(array))
    return response


@contextmanager
def process(service_s: float = 0.0) -> Iterator[tuple[str, Popen[str]]]:
    """A stand-in in its own process: its address and the process, to be killed by a test. Ended at the end."""
    command = [sys.executable, __file__, "--service-s", str(service_s)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, env={"PYTHONPATH": ":".join(sys.path)}) as started:
        assert started.stdout is not None
        try:
            yield started.stdout.readline().strip(), started
        finally:
            started.kill()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--service-s", type=float, default=0.0)
    with InferenceServer(service_s=parser.parse_args().service_s) as address:
        print(address, flush=True)  # noqa: T201 - the parent reads it
        sys.stdin.read()  # ends with the parent, however that ends


if __name__ == "__main__":
    main()
