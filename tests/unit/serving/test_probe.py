"""What answers at a server's port is our server, or it is nobody to us."""

from __future__ import annotations

import json

import pytest

from seatrial.serving.ports import Ports
from seatrial.serving.probe import Probe
from seatrial.serving.triton_metrics import Reading, read
from tests.http_servers import answering
from tests.unit.manager.test_replica_events import record


def probe(url: str) -> Probe:
    port = int(url.rpartition(":")[2])
    return Probe(record("ours").model_copy(update={"ports": Ports(http=port, grpc=port, metrics=port)}))


@pytest.mark.parametrize("body", [b'{"name": "theirs"}', b"{}", b"[]", b"null", b'"ours"', b"<html>", b"\xff", b""])
def test_a_stranger_that_took_the_port_is_not_ready_whatever_it_says(body: bytes) -> None:
    with answering(200, "application/json", body) as (url, _), probe(url) as found:
        assert not found.is_ready()


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False)])
def test_our_server_is_asked_who_it_is_and_then_whether_its_model_is_ready(status: int, ready: bool) -> None:
    body = json.dumps({"name": record("ours").id}).encode()
    with answering(status, "application/json", body) as (url, received), probe(url) as found:
        assert found.is_ready() is ready
    assert [one.path for one in received] == ["/v2", "/v2/models/upload/versions/1/ready"][: 1 + ready]


def test_the_counts_are_read_again_and_again_by_a_probe_and_by_who_has_none() -> None:
    page, said = b'nv_inference_request_success{model="tiny"} 7\n', Reading(7, 0, 0, {})
    with answering(200, "text/plain", page) as (url, received), probe(url) as found:
        assert [found.reading(), found.reading(), read(url.removeprefix("http://"))] == [said] * 3
    assert [one.path for one in received] == ["/metrics"] * 3


def test_no_counts_are_read_where_nobody_answers_or_something_else_does() -> None:
    with answering(404, "text/plain", b"") as (url, _), probe(url) as found:
        assert found.reading() is None
    assert read(url.removeprefix("http://")) is None
