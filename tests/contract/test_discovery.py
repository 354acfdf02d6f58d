"""Discovery is answered before the routes when it is plainly asked, else by its route: nobody can tell which."""

from __future__ import annotations

import threading
from itertools import count
from typing import Any

import httpx
import pytest

from seatrial.errors import TryAgain
from seatrial.manager.editions import Editions
from seatrial.waiting import Deadline, wait_until
from tests.contract.conftest import Called

PATH = "/v1/discovery"
PLAIN: dict[str, str] = {}
BY_ROUTE = {"Content-Length": "0"}
WAYS = pytest.mark.parametrize("way", [PLAIN, BY_ROUTE], ids=["plain", "by the route"])
KEPT = ("content-type", "content-length", "etag", "retry-after", "www-authenticate")
NUMBERS = count()


def ask(called: Called, way: dict[str, str], query: str = "", role: str = "client", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return called.http.get(PATH + query, headers={**called.headers(role), **way, **named})


def told(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    return answer.status_code, answer.content, {name: answer.headers[name] for name in KEPT if name in answer.headers}


def test_the_plain_question_does_not_reach_the_route_and_the_other_one_does(
    called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = []
    answer = called.app.router.app

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])
        await answer(scope, receive, send)

    monkeypatch.setattr(called.app.router, "middleware_stack", counted)
    ask(called, PLAIN)
    assert reached == []
    ask(called, BY_ROUTE)
    assert reached == [PATH]


@pytest.mark.parametrize("query", ["", "?wait_s=0", "?wait_s=0.05"])
def test_both_tell_the_same_with_the_same_headers(called: Called, query: str) -> None:
    first = ask(called, PLAIN, query)
    assert first.status_code == 200
    assert "tiny" in first.json()["models"]
    assert told(ask(called, BY_ROUTE, query)) == told(first)
    again = ask(called, PLAIN, query, If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert told(ask(called, BY_ROUTE, query, If_None_Match=first.headers["ETag"])) == told(again)


@pytest.mark.parametrize("query", ["?wait_s=61", "?wait_s=-1", "?wait_s=nan", "?wait_s=1&wait_s=2", "?wait=1"])
def test_a_question_that_is_no_good_is_refused_by_a_problem_document(called: Called, query: str) -> None:
    answer = ask(called, PLAIN, query)
    assert (answer.status_code // 100, answer.headers["Content-Type"]) == (4, "application/problem+json")
    assert told(ask(called, BY_ROUTE, query)) == told(answer)


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic YTpi"])
def test_who_has_no_valid_token_is_told_so_by_the_route(called: Called, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = called.http.get(PATH, headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="seatrial"')


@WAYS
def test_who_waits_is_told_as_soon_as_there_is_news(called: Called, way: dict[str, str]) -> None:
    etag, heard = ask(called, way).headers["ETag"], []
    waiter = threading.Thread(target=lambda: heard.append(ask(called, way, "?wait_s=60", If_None_Match=etag)))
    waiter.start()
    wait_until(lambda: called.manager.news.waiting > 0, Deadline.after(30), "it waits")
    name = f"news-{next(NUMBERS)}"
    called.manager.registry.register(name, name.encode().hex().ljust(64, "0"), served=served(called), manifest={})
    called.manager.news.changed()
    waiter.join()
    assert name in heard[0].json()["models"]


@WAYS
def test_a_store_that_does_not_answer_is_a_problem_document_and_counted(
    called: Called, way: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise TryAgain("the store is away")

    labels = {"method": "GET", "route": PATH, "status": "503"}
    counted = called.manager.metrics.registry.get_sample_value
    before = counted("seatrial_http_requests_total", labels) or 0
    monkeypatch.setattr(Editions, "newest", away)
    answer = ask(called, way)
    assert (answer.status_code, answer.json()["detail"]) == (503, "the store is away")
    assert answer.headers["Retry-After"]
    assert counted("seatrial_http_requests_total", labels) == before + 1


def served(called: Called) -> Any:
    return called.manager.registry.version("tiny", 1).served
