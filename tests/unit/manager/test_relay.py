"""Requests by way of the manager, to real gRPC servers: few at once, and not to a server that is not there."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from seatrial.errors import DeadlineExceeded, Overloaded, ServerFailed
from seatrial.manager.relay import Relay
from tests.ports import free_port
from tests.standins.inference_server import InferenceServer, Status

X = {"x": np.ones((1, 4), np.float32)}


def ask(relay: Relay, *addresses: str, **more: Any) -> Any:
    return relay.infer(addresses, "tiny", 1, X, **more)


def test_a_server_that_is_not_there_or_has_not_loaded_the_version_is_passed_over() -> None:
    gone = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    with InferenceServer(models={"tiny": (2,)}) as other, InferenceServer() as address:
        for _ in range(8):
            assert np.array_equal(ask(Relay(), *gone, other, address)["y"], X["x"] * 2)
    with pytest.raises(ServerFailed):
        ask(Relay(), *gone)


@pytest.mark.parametrize(("status", "error"), [("INTERNAL", ServerFailed), ("UNAVAILABLE", Overloaded)])
def test_what_a_server_answers_is_the_answer(status: str, error: type[Exception]) -> None:
    asked = []

    def refuses(tensors: Any) -> Any:
        asked.append(tensors)
        raise Status(status, "Exceeds maximum queue size")

    with InferenceServer(refuses) as one, InferenceServer(refuses) as two, pytest.raises(error):
        ask(Relay(), one, two)
    assert len(asked) == 1


def test_more_than_its_places_are_overload_and_a_place_is_free_again_after_any_end() -> None:
    under_way, go = threading.Semaphore(0), threading.Event()

    def held(tensors: Any) -> Any:
        under_way.release()
        go.wait()
        raise RuntimeError("the model cannot do that")

    relay = Relay(at_once=2)
    with InferenceServer(held) as one, InferenceServer(held) as two, InferenceServer() as quick:
        with ThreadPoolExecutor() as pool:
            ends = [pool.submit(ask, relay, address) for address in (one, two)]
            for _ in ends:
                under_way.acquire()
            with pytest.raises(Overloaded, match="2 requests"):
                ask(relay, quick)
            go.set()
        assert [type(end.exception()) for end in ends] == [ServerFailed] * 2
        assert "y" in ask(relay, quick)


def test_all_servers_share_one_deadline() -> None:
    with InferenceServer(service_s=30) as one, InferenceServer(service_s=30) as two:
        with pytest.raises(DeadlineExceeded):
            ask(Relay(), one, two, timeout_s=0.1)
