"""What the manager's callers do when something else answers, or nothing does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seatrial import InferenceClient
from seatrial.client.capture import Capture
from seatrial.client.manager_api import ManagerAPI
from seatrial.client.routes import CaptureRule, Route
from seatrial.errors import ManagerUnavailable, NoSuchModel, SeatrialError, to_problem
from seatrial.manager.tokens import TokenFile
from seatrial.tensors import Signature, TensorSpec
from tests.http_servers import answering, silent
from tests.managers import environ_of, managers

PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("status", "content_type", "body", "error"),
    [
        (200, "text/html", b"<html>", ManagerUnavailable),
        (200, "application/json", b"[]", ManagerUnavailable),
        (302, "text/html", b"", SeatrialError),
        (404, "text/html", b"nothing here", SeatrialError),
        (502, "text/html", b"bad gateway", ManagerUnavailable),
        (404, PROBLEM, json.dumps(to_problem(NoSuchModel("no model 'pitsh'"))).encode(), NoSuchModel),
        (500, PROBLEM, b"cut off {", ManagerUnavailable),
    ],
)
def test_every_answer_is_a_document_or_an_error_of_the_tree(
    status: int, content_type: str, body: bytes, error: type[SeatrialError]
) -> None:
    with answering(status, content_type, body) as (url, _), ManagerAPI(url) as api:
        with pytest.raises(SeatrialError) as raised:
            api.health()
        assert raised.type is error


def test_a_name_reaches_no_other_route_whatever_it_holds() -> None:
    with answering(200, "application/json", b"{}") as (url, received), ManagerAPI(url) as api:
        api.model("../versions/1?x=#")
    assert [one.path for one in received] == ["/v1/models/..%2Fversions%2F1%3Fx%3D%23"]


def test_discovery_says_what_is_wrong_at_the_managers_address() -> None:
    with answering(200, "text/html", b"<html>") as (url, _), InferenceClient(url, "", timeout_s=2.0) as client:
        with pytest.raises(ManagerUnavailable, match="<html>"):
            client.infer("tiny", x=1.0)


def test_a_client_closes_with_captures_queued_for_a_manager_that_hangs() -> None:
    signature = Signature((TensorSpec("x", "FP32", (-1, 4)),), ())
    route = Route("tiny", 1, 7, signature, (), CaptureRule(share=1.0, per_minute=1000))
    request = route.encoder.encode({"x": np.ones((1, 4), np.float32)})
    with silent() as url, ManagerAPI(url, timeout_s=4.0) as api:
        capture = Capture(api)
        for _ in range(200):
            capture.offer(route, request)
        capture.close()
        assert capture.counts.sent == 0
        assert capture.counts.dropped >= 199


def test_secrets_that_an_earlier_version_left_open_are_closed_when_the_manager_starts(tmp_path: Path) -> None:
    TokenFile(tmp_path).create("player", "client")
    (tmp_path / "token").write_text("a token of an earlier version")
    (tmp_path / "manager").mkdir()
    kept = [tmp_path / "token", tmp_path / "tokens.json", tmp_path / "manager" / "audit.jsonl"]
    for path in kept:
        path.touch()
        path.chmod(0o644)
    with managers(environ_of(tmp_path)):
        assert {path.name: oct(path.stat().st_mode & 0o777) for path in kept} == dict.fromkeys(
            (path.name for path in kept), "0o600"
        )
