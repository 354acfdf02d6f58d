"""The clients against a real tritonserver: what a stand-in could get wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.client_servers import MODEL, Discovery, Replica, discovery, replicas
from seatrial import AsyncInferenceClient, InferenceClient
from seatrial.client.transport import GrpcTransport
from seatrial.waiting import Deadline, wait_until
from tests.clients import AnyClient, BlockingAsyncClient


@pytest.fixture(scope="module")
def server() -> Iterator[Replica]:
    with replicas(1, port=23400) as (started,):
        yield started


@pytest.fixture(scope="module")
def manager(server: Replica) -> Iterator[Discovery]:
    with discovery(server) as told:
        yield told


@pytest.fixture(params=["sync", "asyncio"])
def client(request: pytest.FixtureRequest, manager: Discovery) -> Iterator[AnyClient]:
    def made() -> AsyncInferenceClient:
        return AsyncInferenceClient(manager.url, "", timeout_s=60)

    found = InferenceClient(manager.url, "", timeout_s=60) if request.param == "sync" else BlockingAsyncClient(made)
    yield found
    found.close()


@pytest.mark.parametrize("count", [0, 1, 1_200_000, 18_000_000], ids=["0 bytes", "4 bytes", "4.8 MB", "72 MB"])
def test_tensors_of_any_size_go_and_come_back(client: AnyClient, count: int) -> None:
    x = np.arange(count, dtype=np.float32)
    found = client.infer(MODEL, x=x)["y"]
    assert np.array_equal(found, x)
    assert found.flags.aligned


def test_a_batch_is_joined_in_order(client: AnyClient) -> None:
    x = np.arange(1000, dtype=np.float32)
    assert np.array_equal(client.infer_batch(MODEL, x=x, rows=64)["y"], x)


def test_a_server_says_that_it_is_ready_for_its_model_and_for_no_other(server: Replica) -> None:
    said: dict[tuple[str, int], bool] = {}
    with GrpcTransport() as transport:
        for model in ((MODEL, 1), (MODEL, 2), ("another", 1)):
            transport.probe(server.address, *model, 10.0, lambda ready, of=model: said.__setitem__(of, ready))
        transport.probe("127.0.0.1:9", MODEL, 1, 10.0, lambda ready: said.__setitem__(("nobody", 1), ready))
        wait_until(lambda: len(said) == 4, Deadline.after(30), "all have answered")
    assert [model for model, ready in said.items() if ready] == [(MODEL, 1)]
