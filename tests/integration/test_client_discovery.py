"""Discovery and captures of the clients, against real HTTP."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from seatrial import InferenceClient
from seatrial.client import endpoints_cache
from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import Forbidden, ManagerUnavailable, to_problem
from seatrial.tensors import from_npz
from seatrial.waiting import Deadline, wait_until
from tests.clients import discovery, document, served
from tests.http_servers import answering, silent
from tests.ports import free_port
from tests.standins.fake_transport import FakeServer, FakeTransport

X = np.ones((1, 4), np.float32)


def _client(url: str, **options: Any) -> InferenceClient:
    return InferenceClient(url, "", transport=FakeTransport({"a:1": FakeServer(), "b:1": FakeServer()}), **options)


def test_a_client_that_starts_while_the_manager_is_down_waits_for_it() -> None:
    port, found = free_port(), list[str]()
    with _client(f"http://127.0.0.1:{port}", timeout_s=60) as client:
        call = threading.Thread(target=lambda: found.append(client.infer("tiny", x=X).endpoint))
        call.start()
        wait_until(lambda: client._parts.discovery.news.problem, Deadline.after(30), "the client saw nobody")
        with discovery(document({1: served("a:1")}), port=port):
            call.join()
    assert found == ["a:1"]


@pytest.mark.parametrize("how", ["down", "silent"])
def test_a_cache_file_is_used_at_once_whatever_the_manager_does(how: str, tmp_path: Path) -> None:
    cache = tmp_path / "endpoints.json"
    with discovery(document({1: served("a:1")})) as told, _client(told.url, cache_file=cache) as client:
        client.infer("tiny", x=X)
        wait_until(cache.exists, Deadline.after(30), "the cache is written")
    assert oct(cache.stat().st_mode & 0o777) == "0o600"
    with silent() as url, _client(url if how == "silent" else "http://127.0.0.1:9", cache_file=cache) as client:
        assert client.infer("tiny", x=X, timeout_s=30.0).endpoint == "a:1"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"models": 3}', '{"models": {"tiny": {}}}', '{"models": {"tiny": 1}}']
)
def test_a_damaged_cache_file_is_no_endpoint_and_no_crash(content: str, tmp_path: Path) -> None:
    cache = tmp_path / "endpoints.json"
    cache.write_text(content)
    with _client("http://127.0.0.1:9", cache_file=cache) as client, pytest.raises(ManagerUnavailable):
        client.infer("tiny", x=X, timeout_s=0.2)


def test_a_cache_that_cannot_be_written_is_said_and_borne(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        endpoints_cache.write(tmp_path / "missing" / "endpoints.json", document({}))
    assert "cannot be written" in caplog.text


def test_clients_of_a_process_share_one_connection_and_the_last_one_ends_it() -> None:
    with discovery(document({1: served("a:1")})) as told:
        clients = [_client(told.url) for _ in range(5)]
        for client in clients:
            client.infer("tiny", x=X)
        assert len({id(client._parts.discovery) for client in clients}) == 1
        for client in clients[:-1]:
            client.close()
        told.tell(document({1: served("b:1")}))
        wait_until(lambda: clients[-1].infer("tiny", x=X).endpoint == "b:1", Deadline.after(30), "it has heard")
        clients[-1].close()
        with _client(told.url) as another:
            assert another._parts.discovery is not clients[0]._parts.discovery
            assert another.infer("tiny", x=X).endpoint == "b:1"


def test_a_question_whose_connection_another_thread_closes_is_one_that_nobody_answers() -> None:
    class ClosedMeanwhile(ManagerAPI):
        def _client(self) -> httpx.Client:
            http = super()._client()
            self.close()
            return http

    with discovery(document({})) as told, pytest.raises(ManagerUnavailable, match="closed"):
        ClosedMeanwhile(told.url).discovery(None, 0)


def test_servers_that_went_away_are_forgotten() -> None:
    with discovery(document({1: served("a:1")})) as told, _client(told.url) as client:
        client.infer("tiny", x=X)
        told.tell(document({1: served("b:1")}))
        wait_until(lambda: client.infer("tiny", x=X).endpoint == "b:1", Deadline.after(30), "it has heard")
        wait_until(
            lambda: list(client._parts.calls.balancer._states) == ["b:1"], Deadline.after(30), "the former is forgotten"
        )


def test_a_wrong_token_is_said_at_once() -> None:
    problem = json.dumps(to_problem(Forbidden("wrong token"))).encode()
    with answering(401, "application/problem+json", problem) as (url, _), _client(url, timeout_s=60) as client:
        with pytest.raises(Forbidden, match="wrong token"):
            client.infer("tiny", x=X)


def _captured(rule: dict[str, Any], layers: dict[str, Any] | None = None, **ask: Any) -> tuple[int, int, list[bytes]]:
    """Ten calls under a rule: how many were sent and dropped, and what the manager received."""
    news = document({1: served("a:1"), 2: served("b:1", model_id=8)}, staging=2, capture=rule)
    with discovery(news) as told, answering(202, "application/json", b"{}") as (url, received):
        client = _client(told.url)
        client.capture._api.url = url
        for _ in range(10):
            client.infer("tiny", layers or {"x": X}, **ask)
        client.close()
        return client.capture.counts.sent, client.capture.counts.dropped, [one.body for one in received]


ALL = {"share": 1.0, "per_minute": 1000}


def test_what_is_captured_is_what_was_sent() -> None:
    sent, dropped, received = _captured(ALL)
    assert (sent, dropped, len(received)) == (10, 0, 10)
    assert all(np.array_equal(from_npz(data)["x"], X) for data in received)


@pytest.mark.parametrize(
    ("rule", "ask"),
    [
        ({**ALL, "share": 0.0}, {}),
        ({**ALL, "per_minute": 0}, {}),
        ({**ALL, "largest_bytes": 10}, {}),
        (ALL, {"stage": "Staging"}),
        (ALL, {"version": 2}),
    ],
    ids=["off", "none a minute", "too large", "Staging", "a version that is not in Production"],
)
def test_what_the_rule_leaves_out_is_not_captured(rule: dict[str, Any], ask: dict[str, Any]) -> None:
    assert _captured(rule, **ask) == (0, 0, [])


def test_layers_that_the_rule_leaves_out_are_not_sent_to_the_manager() -> None:
    sent, _, received = _captured({**ALL, "without": ["x"]})
    assert sent == 10
    assert all(from_npz(data) == {} for data in received)


def test_a_debug_log_tells_the_story_of_a_call(caplog: pytest.LogCaptureFixture) -> None:
    servers = {"a:1": FakeServer(stopped=True), "b:1": FakeServer()}
    with discovery(document({1: served("a:1", "b:1")})) as told:
        with InferenceClient(told.url, "", transport=FakeTransport(servers)) as client:
            with caplog.at_level(logging.DEBUG, "seatrial.client"):
                wait_until(
                    lambda: client.infer("tiny", x=X) and "a:1" in caplog.text, Deadline.after(30), "a:1 was tried"
                )
    (line,) = [line for line in caplog.messages if "a:1" in line]
    assert line.startswith("tiny@1: answered by b:1 in ")
    assert "a:1: ServerFailed (a:1: connection refused) after" in line
    assert "b:1: answered after" in line
