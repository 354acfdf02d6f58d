"""What every Inference Client does, whatever it sends with: both clients, over gRPC and over the fake transport."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
import pytest

from seatrial import AsyncInferenceClient, InferenceClient
from seatrial.client.grpc_errors import MEANINGS
from seatrial.client.steps import CallEvent, Metadata
from seatrial.errors import BadInput, NoSuchModel, NoSuchVersion, NotDeployed, SeatrialError, ServerFailed
from seatrial.tensors import DTYPES, Array
from seatrial.waiting import Deadline, wait_until
from tests.clients import AnyClient, BlockingAsyncClient, Telling, discovery, document, served
from tests.standins.fake_transport import AsyncFakeTransport, FakeServer, FakeTransport
from tests.standins.inference_server import Function, InferenceServer, Status, double

X = np.arange(4, dtype=np.float32).reshape(1, 4)


@dataclass
class Fleet:
    """Servers, a discovery that says where they are, and a client of one kind."""

    kind: str
    stack: ExitStack
    told: Telling
    fakes: dict[str, FakeServer] = field(default_factory=dict)

    def start(self, function: Function = double, **options: Any) -> tuple[str, InferenceServer | FakeServer]:
        """A server and its address."""
        if "fake" in self.kind:
            address = f"fake:{len(self.fakes) + 1}"
            self.fakes[address] = fake = FakeServer(function, **options)
            return address, fake
        server = InferenceServer(function, **options)
        return self.stack.enter_context(server), server

    def client(self, **options: Any) -> AnyClient:
        client: AnyClient
        if "asyncio" in self.kind:
            transport: dict[str, Any] = {"transport": AsyncFakeTransport(self.fakes)} if "fake" in self.kind else {}
            client = BlockingAsyncClient(lambda: AsyncInferenceClient(self.told.url, "", **transport, **options))
        else:
            fake: dict[str, Any] = {"transport": FakeTransport(self.fakes)} if "fake" in self.kind else {}
            client = InferenceClient(self.told.url, "", **fake, **options)
        self.stack.callback(client.close)
        return client


KINDS = ("sync, gRPC", "asyncio, gRPC", "sync, fake", "asyncio, fake")


@pytest.fixture(params=KINDS)
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    with discovery() as told, ExitStack() as stack:
        yield Fleet(request.param, stack, told)


def test_a_name_and_layers_give_the_outputs_and_who_answered(fleet: Fleet) -> None:
    address, _ = fleet.start()
    fleet.told.tell(document({1: served(address)}))
    client = fleet.client()
    for found in (client.infer("tiny", x=X), client.infer("tiny", {"x": X.tolist()}), client.infer(7, {"x": X})):
        assert np.array_equal(found["y"], X * 2)
        assert (found.model, found.version, found.model_id, found.endpoint) == ("tiny", 1, 7, address)


def test_a_version_a_stage_and_an_environment_can_be_asked_for(fleet: Fleet) -> None:
    (old, _), (new, _) = fleet.start(models={"tiny": (1,)}), fleet.start(models={"tiny": (2,)})
    fleet.told.tell(document({1: served(old), 2: served(new, model_id=8)}, staging=2))
    client = fleet.client()
    assert client.infer("tiny", x=X).version == 1
    assert client.infer("tiny", version=2, x=X).version == 2
    assert client.infer("tiny", stage="Staging", environment="local", x=X).version == 2
    assert client.infer(8, x=X).version == 2


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        ({"model": "tyni"}, NoSuchModel),
        ({"model": 99}, NoSuchVersion),
        ({"version": 5}, NotDeployed),
        ({"stage": "Archived"}, NotDeployed),
        ({"stage": "versions"}, NotDeployed),
        ({"environment": "moon"}, NotDeployed),
    ],
    ids=str,
)
def test_what_is_not_there_is_said_by_its_error(fleet: Fleet, ask: dict[str, Any], error: type[SeatrialError]) -> None:
    address, _ = fleet.start()
    fleet.told.tell(document({1: served(address)}))
    with pytest.raises(error):
        fleet.client().infer(ask.get("model", "tiny"), {"x": X}, **{k: v for k, v in ask.items() if k != "model"})


@pytest.mark.parametrize(
    "layers",
    [{}, {"x": X[:, :3]}, {"x": X.astype(np.float64)}, {"x": X, "z": X}, {"X": X}, {"x": ["text"]}],
    ids=["missing", "shape", "dtype", "extra", "name", "text"],
)
def test_a_wrong_layer_is_refused_before_anything_is_sent(fleet: Fleet, layers: dict[str, Any]) -> None:
    address, server = fleet.start()
    fleet.told.tell(document({1: served(address)}))
    with pytest.raises(BadInput):
        fleet.client().infer("tiny", layers)
    assert server.answered == 0


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_every_dtype_goes_and_comes_back(fleet: Fleet, dtype: str) -> None:
    layer = {"name": "x", "dtype": dtype, "shape": [-1]}
    address, _ = fleet.start(lambda tensors: {"x": tensors["x"]})
    fleet.told.tell(document({1: served(address, signature={"inputs": [layer], "outputs": [layer]})}))
    values = np.array([b"a\0", b"", "ä".encode()], object) if dtype == "BYTES" else np.array([0, 1, 1], DTYPES[dtype])
    found = fleet.client().infer("tiny", x=values)["x"]
    assert found.dtype == DTYPES[dtype]
    assert list(found) == list(values)


@pytest.mark.parametrize("rows", [0, 300_000, 4_500_000], ids=["0 bytes", "4.8 MB", "72 MB"])
def test_tensors_of_any_size_go_and_come_back(fleet: Fleet, rows: int) -> None:
    address, _ = fleet.start()
    fleet.told.tell(document({1: served(address)}))
    x = np.ones((rows, 4), np.float32)
    found = fleet.client(timeout_s=60).infer("tiny", x=x)["y"]
    assert found.shape == x.shape
    assert np.all(found == 2)


def test_no_call_fails_when_a_server_stops(fleet: Fleet) -> None:
    (first, one), (second, _) = fleet.start(), fleet.start()
    fleet.told.tell(document({1: served(first, second)}))
    client = fleet.client()
    assert {client.infer("tiny", x=X).endpoint for _ in range(40)} == {first, second}
    one.stop()
    assert {client.infer("tiny", x=X).endpoint for _ in range(40)} == {second}


def test_a_moved_stage_reaches_the_client(fleet: Fleet) -> None:
    (old, _), (new, _) = fleet.start(models={"tiny": (1,)}), fleet.start(models={"tiny": (2,)})
    versions = {1: served(old), 2: served(new, model_id=8)}
    fleet.told.tell(document(versions))
    client = fleet.client()
    assert client.infer("tiny", x=X).version == 1
    fleet.told.tell(document(versions, production=2))
    wait_until(lambda: client.infer("tiny", x=X).version == 2, Deadline.after(30), "the client has heard")
    assert client.infer("tiny", x=X).endpoint == new


def test_a_version_with_other_layers_is_the_right_answer_or_one_clean_error(fleet: Fleet) -> None:
    other = {"inputs": [{"name": "z", "dtype": "FP32", "shape": [-1, 4]}], "outputs": []}
    (old, one), (new, _) = (
        fleet.start(models={"tiny": (1,)}),
        fleet.start(lambda t: {"z": t["z"]}, models={"tiny": (2,)}),
    )
    fleet.told.tell(document({1: served(old)}))
    client = fleet.client()
    client.infer("tiny", x=X)
    one.stop()
    fleet.told.tell(document({2: served(new, signature=other)}, production=2))
    with pytest.raises(BadInput, match="'x'"):
        client.infer("tiny", x=X)
    assert client.infer("tiny", z=X).version == 2


@pytest.mark.parametrize("code", list(grpc.StatusCode), ids=lambda code: code.name)
def test_every_status_is_an_answer_or_its_error_with_where_it_came_from(fleet: Fleet, code: grpc.StatusCode) -> None:
    def model(tensors: Any) -> Any:
        if code is grpc.StatusCode.OK:
            return double(tensors)
        raise Status(code.name, "says the model")

    address, _ = fleet.start(model)
    fleet.told.tell(document({1: served(address)}))
    if code is grpc.StatusCode.OK:
        assert fleet.client().infer("tiny", x=X).endpoint == address
        return
    client = fleet.client(timeout_s=1.0)  # some are tried again until then
    with pytest.raises(MEANINGS[code.name].error, match="says the model") as caught:
        client.infer("tiny", x=X)
    assert type(caught.value) is MEANINGS[code.name].error
    assert caught.value.fields["grpc_code"] == code.name
    assert {one["address"] for one in caught.value.fields["tried"]} == {address}


def test_a_batch_is_split_over_the_servers_and_joined_in_order(fleet: Fleet) -> None:
    servers = [fleet.start() for _ in range(3)]
    fleet.told.tell(document({1: served(*(address for address, _ in servers))}))
    x = np.arange(400, dtype=np.float32).reshape(100, 4)
    client = fleet.client()
    for rows in (None, 1, 7, 1000):
        found = client.infer_batch("tiny", x=x, rows=rows)
        assert np.array_equal(found["y"], x * 2)
    assert sum(server.answered for _, server in servers) == 3 + 100 + 15 + 1
    assert np.array_equal(client.infer_batch("tiny", x=x[:0])["y"], x[:0])


def test_one_request_of_a_batch_that_fails_is_one_error(fleet: Fleet) -> None:
    def picky(tensors: dict[str, Array]) -> dict[str, Array]:
        if 5 in tensors["x"]:
            raise Status("INTERNAL", "not that row")
        return double(tensors)

    address, _ = fleet.start(picky)
    fleet.told.tell(document({1: served(address)}))
    x = np.repeat(np.arange(20, dtype=np.float32), 4).reshape(20, 4)
    with pytest.raises(ServerFailed, match="not that row"):
        fleet.client().infer_batch("tiny", x=x, rows=2)


def test_a_model_is_described_with_its_layers_versions_and_servers(fleet: Fleet) -> None:
    (old, _), (new, _) = fleet.start(), fleet.start()
    fleet.told.tell(document({1: served(old), 2: served(new, model_id=8)}, staging=2))
    found = fleet.client().describe("tiny", stage="Staging")
    assert (found["version"], found["model_id"], found["endpoints"]) == (2, 8, [new])
    assert found["inputs"] == ({"name": "x", "dtype": "FP32", "shape": (-1, 4)},)
    assert found["environments"]["local"] == {"production": 1, "staging": 2, "versions": {1: [old], 2: [new]}}
    assert found["servers"][new]["out"] is False


@pytest.mark.parametrize("fleet", KINDS[:2], indirect=True)  # a fake answers before anybody can be asked beside it
def test_a_hedge_answers_when_the_first_server_does_not(fleet: Fleet) -> None:
    held = threading.Event()

    def stuck(tensors: Any) -> Any:
        held.wait(20)
        return double(tensors)

    (slow, _), (fast, _) = fleet.start(stuck), fleet.start()
    fleet.told.tell(document({1: served(slow, fast)}))
    client = fleet.client(hedge_after_s=0.05)
    try:
        assert {client.infer("tiny", x=X).endpoint for _ in range(8)} == {fast}
    finally:
        held.set()


class Watching:
    """An observer that keeps what it is told, and fails when it is told to."""

    def __init__(self, fails: bool = False) -> None:
        self.fails, self.events = fails, list[CallEvent]()

    def metadata(self) -> Metadata | None:
        return (("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)

    def on_call(self, event: CallEvent) -> None:
        self.events.append(event)
        if self.fails:
            raise RuntimeError("cannot count")


@pytest.mark.parametrize("fails", [False, True])
def test_an_observer_hears_of_each_call_and_cannot_fail_one(fleet: Fleet, fails: bool) -> None:
    address, server = fleet.start()
    fleet.told.tell(document({1: served(address)}))
    watching = Watching(fails)
    client = fleet.client(observer=watching)
    client.infer("tiny", x=X)
    with pytest.raises(BadInput):
        client.infer("tiny", z=X)
    assert [type(event.error) for event in watching.events] == [type(None), BadInput]
    assert watching.events[0].address == address
    assert dict(server.metadata or ())["traceparent"].startswith("00-0af7651916cd43dd")


def test_closing_twice_does_nothing_and_clients_of_a_process_share_one_connection(fleet: Fleet) -> None:
    address, _ = fleet.start()
    fleet.told.tell(document({1: served(address)}))
    clients = [fleet.client() for _ in range(4)]
    for client in clients:
        client.infer("tiny", x=X)
    assert fleet.told.polls() <= 1
    close: Callable[[], None] = clients[0].close
    if isinstance(clients[0], InferenceClient):
        close()
        close()
    assert clients[1].infer("tiny", x=X).endpoint == address
