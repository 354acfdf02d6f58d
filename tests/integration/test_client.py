"""The client against real gRPC servers: what its contract (tests/contract/test_client.py) does not ask of a fake."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from seatrial import InferenceClient
from seatrial.errors import ManagerUnavailable, ServerFailed
from tests.clients import discovery, document, served
from tests.standins.inference_server import InferenceServer, process

X = np.ones((1, 4), np.float32)


def test_no_call_fails_when_one_of_two_servers_is_killed_under_32_callers() -> None:
    enough, answered, lock = threading.Event(), [0], threading.Lock()

    def call(client: InferenceClient, failed: list[Exception]) -> None:
        for _ in range(30):
            try:
                assert np.array_equal(client.infer("tiny", x=X)["y"], X * 2)
            except Exception as error:
                failed.append(error)
            with lock:
                answered[0] += 1
                if answered[0] >= 100:
                    enough.set()

    with process(0.005) as (one, victim), process(0.005) as (two, _):
        with discovery(document({1: served(one, two)})) as told, InferenceClient(told.url, timeout_s=60) as client:
            failed: list[Exception] = []
            callers = [threading.Thread(target=call, args=(client, failed)) for _ in range(32)]
            for caller in callers:
                caller.start()
            enough.wait()
            victim.kill()
            for caller in callers:
                caller.join()
            assert (answered[0], failed) == (32 * 30, [])


def test_an_error_of_the_model_is_not_retried_elsewhere() -> None:
    def broken(_: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("the model cannot do that")

    with InferenceServer(broken) as first, InferenceServer(broken) as second:
        with discovery(document({1: served(first, second)})) as told, InferenceClient(told.url) as client:
            with pytest.raises(ServerFailed, match="cannot do that") as caught:
                client.infer("tiny", x=X)
    assert len(caught.value.fields["tried"]) == 1


def test_without_a_manager_and_a_cache_file_it_is_said() -> None:
    with InferenceClient("http://127.0.0.1:9", timeout_s=0.5) as client:
        with pytest.raises(ManagerUnavailable, match="does not answer"):
            client.infer("tiny", x=X)
