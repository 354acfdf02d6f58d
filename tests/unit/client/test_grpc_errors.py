from __future__ import annotations

import grpc
import pytest

from seatrial.client.grpc_errors import MEANINGS, may_go_elsewhere, translate
from seatrial.errors import Overloaded, Refused


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_grpc_status_has_a_meaning(code: grpc.StatusCode) -> None:
    error = translate(code.name, "details", "127.0.0.1:1")
    assert type(error) is MEANINGS[code.name].error
    assert "127.0.0.1:1: details" in str(error)


def test_only_servers_that_are_gone_are_tried_elsewhere() -> None:
    assert may_go_elsewhere(translate("UNAVAILABLE", "connection refused", "a:1"))
    assert not may_go_elsewhere(translate("INTERNAL", "the model raised", "a:1"))
    assert not may_go_elsewhere(Refused("not from a server"))


def test_a_full_queue_is_overload_not_absence() -> None:
    error = translate("UNAVAILABLE", "request exceeds maximum queue size", "a:1")
    assert isinstance(error, Overloaded)
    assert not may_go_elsewhere(error)


def test_a_deadline_says_what_may_be_wrong_and_where() -> None:
    said = translate("DEADLINE_EXCEEDED", "Deadline Exceeded", "a:1").message
    assert said.startswith("a:1: no answer within what was left of timeout_s")
