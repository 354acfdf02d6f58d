"""The client against real gRPC servers and a real HTTP server that tells where they are."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial import InferenceClient
from seatrial.errors import BadInput, ManagerUnavailable, ServerFailed
from tests.standins.inference_server import InferenceServer, process

SIGNATURE = {
    "inputs": [{"name": "x", "dtype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "dtype": "FP32", "shape": [-1, 4]}],
}
X = np.ones((1, 4), np.float32)


def document(*addresses: str) -> dict[str, Any]:
    endpoints = [{"address": address, "weight": 1.0} for address in addresses]
    versions = {"1": {"model_id": 7, "signature": SIGNATURE, "endpoints": endpoints}}
    local = {"production": 1, "staging": None, "versions": versions}
    return {"models": {"tiny": {"capture": {"share": 0, "per_minute": 0}, "environments": {"local": local}}}}


@contextmanager
def telling(answer: dict[str, Any]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer).encode()
            known = self.headers.get("If-None-Match") == '"1"'
            self.send_response(304 if known else 200)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", "0" if known else str(len(body)))
            self.end_headers()
            if not known:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def double(tensors: dict[str, Any]) -> dict[str, Any]:
    return {"y": tensors["x"] * 2}


def test_more_than_one_replica_answers_and_none_fails_when_one_dies() -> None:
    one, two = InferenceServer(double), InferenceServer(double)
    with one as first, two as second, telling(document(first, second)) as url, InferenceClient(url) as client:
        before = {client.infer("tiny", x=X).endpoint for _ in range(40)}
        assert before == {first, second}
        one.stop()
        after = {client.infer("tiny", x=X).endpoint for _ in range(40)}
        assert after == {second}


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
        with telling(document(one, two)) as url, InferenceClient(url, timeout_s=60) as client:
            failed: list[Exception] = []
            callers = [threading.Thread(target=call, args=(client, failed)) for _ in range(32)]
            for caller in callers:
                caller.start()
            enough.wait()
            victim.kill()
            for caller in callers:
                caller.join()
            assert (answered[0], failed) == (32 * 30, [])


def test_a_wrong_layer_is_refused_before_anything_is_sent() -> None:
    server = InferenceServer(double)
    with server as address, telling(document(address)) as url, InferenceClient(url) as client:
        with pytest.raises(BadInput, match=r"FP32\[-1,4\], got FP64\[1,4\]"):
            client.infer("tiny", x=X.astype(np.float64))
        assert server.answered == 0
        assert np.array_equal(client.infer(7, {"x": [[1, 2, 3, 4]]})["y"], [[2, 4, 6, 8]])


def test_an_error_of_the_model_is_not_retried_elsewhere() -> None:
    def broken(_: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("the model cannot do that")

    one, two = InferenceServer(broken), InferenceServer(broken)
    with one as first, two as second, telling(document(first, second)) as url, InferenceClient(url) as client:
        with pytest.raises(ServerFailed, match="cannot do that"):
            client.infer("tiny", x=X)


def test_without_a_manager_the_cache_file_is_used_and_without_both_it_is_said(tmp_path: Path) -> None:
    cache = tmp_path / "endpoints.json"
    with InferenceServer(double) as address:
        with telling(document(address)) as url, InferenceClient(url, cache_file=cache) as client:
            client.infer("tiny", x=X)
        with InferenceClient("http://127.0.0.1:9", cache_file=cache) as client:
            assert client.infer("tiny", x=X).endpoint == address
    with InferenceClient("http://127.0.0.1:9", timeout_s=0.5) as client:
        with pytest.raises(ManagerUnavailable, match="does not answer"):
            client.infer("tiny", x=X)
