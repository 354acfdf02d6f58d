"""Three ways to send the same request to the same server: gRPC's generated stub, tritonclient, and our client.

Each is given a float32 array and gives the answer's array back: what a caller has to do for that is part of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import grpc.aio
import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
from tritonclient.grpc import service_pb2, service_pb2_grpc

from benchmarks.client_servers import MODEL
from seatrial import AsyncInferenceClient, InferenceClient

Call = Callable[[Any], Any]
AsyncCall = Callable[[Any], Awaitable[Any]]

TIMEOUT_S = 30.0
RAW, TRITON, OURS = "raw stub", "tritonclient", "seatrial"
_OPTIONS = (("grpc.max_send_message_length", 2**31 - 1), ("grpc.max_receive_message_length", 2**31 - 1))


@contextmanager
def callers(address: str, url: str) -> Iterator[dict[str, Call]]:
    """For any number of threads: each is one client with one connection."""
    with (
        grpc.insecure_channel(address, options=_OPTIONS) as channel,
        tritonclient.grpc.InferenceServerClient(address) as triton,
        InferenceClient(url, "", timeout_s=TIMEOUT_S) as ours,
    ):
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        yield {
            RAW: lambda x: _raw_output(stub.ModelInfer(_raw_request(x), timeout=TIMEOUT_S)),
            TRITON: lambda x: triton.infer(MODEL, _triton_inputs(x), "1", client_timeout=TIMEOUT_S).as_numpy("y"),
            OURS: lambda x: ours.infer(MODEL, x=x)["y"],
        }


@asynccontextmanager
async def async_callers(address: str, url: str) -> AsyncIterator[dict[str, AsyncCall]]:
    async with (
        grpc.aio.insecure_channel(address, options=_OPTIONS) as channel,
        tritonclient.grpc.aio.InferenceServerClient(address) as triton,
        AsyncInferenceClient(url, "", timeout_s=TIMEOUT_S) as ours,
    ):
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

        async def raw(x: Any) -> Any:
            return _raw_output(await stub.ModelInfer(_raw_request(x), timeout=TIMEOUT_S))

        async def by_triton(x: Any) -> Any:
            return (await triton.infer(MODEL, _triton_inputs(x), "1", client_timeout=TIMEOUT_S)).as_numpy("y")

        async def by_us(x: Any) -> Any:
            return (await ours.infer(MODEL, x=x))["y"]

        yield {RAW: raw, TRITON: by_triton, OURS: by_us}


def _raw_request(x: Any) -> Any:
    request = service_pb2.ModelInferRequest(model_name=MODEL, model_version="1")
    request.inputs.add(name="x", datatype="FP32", shape=x.shape)
    request.raw_input_contents.append(x.tobytes())
    return request


def _raw_output(answer: Any) -> Any:
    return np.frombuffer(answer.raw_output_contents[0], np.float32).reshape(answer.outputs[0].shape)


def _triton_inputs(x: Any) -> list[Any]:
    layer = tritonclient.grpc.InferInput("x", list(x.shape), "FP32")
    layer.set_data_from_numpy(x)
    return [layer]


def check(name: str, x: Any, y: Any) -> None:
    assert np.array_equal(x, y), f"{name} answered something else"
