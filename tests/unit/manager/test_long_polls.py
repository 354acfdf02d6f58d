"""Only the plain question is answered before the routes: whatever is unusual about one is the route's to judge."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.manager.long_polls import Question, plain_question

AUTHORIZATION = (b"authorization", b"Bearer secret")


def scope(query: bytes = b"", *headers: tuple[bytes, bytes], **changed: Any) -> dict[str, Any]:
    plain = {"type": "http", "method": "GET", "path": "/v1/discovery", "query_string": query}
    return {**plain, "headers": [(b"host", b"here"), AUTHORIZATION, *headers], **changed}


def test_a_plain_question_is_understood() -> None:
    assert plain_question(scope()) == Question(0.0, None, "Bearer secret")
    known = scope(b"wait_s=25.5", (b"if-none-match", b'"a tag"'))
    assert plain_question(known) == Question(25.5, '"a tag"', "Bearer secret")
    assert plain_question(scope(headers=[])) == Question(0.0, None, "")


@pytest.mark.parametrize(
    "unusual",
    [
        scope(type="websocket"),
        scope(type="lifespan"),
        scope(method="HEAD"),
        scope(method="POST"),
        scope(path="/v1/discovery/"),
        scope(path="/v1/models"),
        scope(b"wait_s=60.1"),
        scope(b"wait_s=-1"),
        scope(b"wait_s=1e1"),
        scope(b"wait_s=nan"),
        scope(b"wait_s="),
        scope(b"wait_s=1&wait_s=2"),
        scope(b"wait_s=1&other=2"),
        scope(b"", (b"content-length", b"0")),
        scope(b"", (b"transfer-encoding", b"chunked")),
        scope(b"", (b"if-none-match", b'"a"'), (b"if-none-match", b'"b"')),
        scope(b"", AUTHORIZATION),
    ],
)
def test_an_unusual_one_goes_on_to_the_routes(unusual: dict[str, Any]) -> None:
    assert plain_question(unusual) is None


@given(st.floats(0, 60))
def test_the_wait_that_a_client_sends_is_understood_as_it_is(wait_s: float) -> None:
    """By its own digits; of more than six decimals, or with an exponent, the route makes what it makes of them."""
    asked = plain_question(scope(f"wait_s={wait_s}".encode()))
    assert asked is None or asked.wait_s == wait_s


@given(st.binary(max_size=30), st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=4))
def test_whatever_is_sent_is_either_understood_within_the_limit_or_goes_on(
    query: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    asked = plain_question(scope(query, *headers))
    assert asked is None or 0 <= asked.wait_s <= 60
