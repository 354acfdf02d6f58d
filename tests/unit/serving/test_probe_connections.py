"""A server is recognised once for each connection, and a stranger on its port is never taken for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from seatrial.serving.ports import Ports
from seatrial.serving.probe import Probe
from seatrial.serving.record import ServerRecord
from tests.records import STARTING

READY = "/v2/models/tiny/versions/1/ready"


class Standin(ThreadingHTTPServer):
    """Says that it is `name`, notes what is asked, and with `closes` ends the connection after each answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name, self.closes, self.asked = STARTING.id, False, list[str]()

    @property
    def record(self) -> ServerRecord:
        ports = Ports(http=self.server_address[1], grpc=1, metrics=2)
        return STARTING.model_copy(update={"ports": ports})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Standin

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = json.dumps({"name": self.server.name}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if self.server.closes:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def standin() -> Iterator[Standin]:
    with Standin() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_who_answers_is_asked_once_a_connection(standin: Standin) -> None:
    with Probe(standin.record) as probe:
        assert [probe.is_ready() for _ in range(3)] == [True] * 3
    assert standin.asked == ["/v2", READY, READY, READY]


def test_on_a_new_connection_a_stranger_is_seen(standin: Standin) -> None:
    with Probe(standin.record) as probe:
        assert probe.is_ready()
        standin.name, standin.closes = "a stranger", True
        assert probe.is_ready(), "the connection is still that of the server"
        assert not probe.is_ready()
        assert not probe.is_ready()


def test_a_server_that_ends_each_connection_is_asked_each_time(standin: Standin) -> None:
    standin.closes = True
    with Probe(standin.record) as probe:
        assert [probe.is_ready() for _ in range(2)] == [True] * 2
    assert standin.asked == ["/v2", READY] * 2
