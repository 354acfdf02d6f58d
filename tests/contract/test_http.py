"""ETags, idempotency keys, audit lines, and what bad input is answered with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.conftest import Called

OPERATOR = "operator"
READS = ("/v1/models", "/v1/models/tiny", "/v1/models/tiny/ledger", "/v1/models/tiny/versions/1", "/v1/health")


def everything(called: Called) -> Any:
    """All that the registry holds."""
    registry = called.manager.registry
    return [
        (
            model,
            registry.versions(model.name),
            registry.ledger(model.name),
            [registry.evidence(version.model_id) for version in registry.versions(model.name)],
        )
        for model in registry.models()
    ]


@pytest.mark.parametrize("path", READS)
def test_a_document_that_is_known_is_not_sent_again(called: Called, path: str) -> None:
    headers = called.headers(OPERATOR)
    first = called.http.get(path, headers=headers)
    tag = first.headers["ETag"]
    again = called.http.get(path, headers={**headers, "If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert called.http.get(path, headers={**headers, "If-None-Match": '"other"'}).json() == first.json()


def test_a_change_changes_the_etag(called: Called) -> None:
    headers = called.headers(OPERATOR)
    path = "/v1/versions/{}/evidence".format(called.manager.registry.version("tiny", 1).model_id)
    before = called.http.get(path, headers=headers).headers["ETag"]
    body = {"kind": "ShadowValidate", "key": "report", "run": "etag", "document": {"verdict": "PASS"}}
    assert called.http.post(path, json=body, headers=headers).status_code == 201
    assert called.http.get(path, headers=headers).headers["ETag"] != before


def test_the_same_key_gets_the_same_answer_and_nothing_happens_twice(called: Called) -> None:
    headers = {**called.headers(OPERATOR), "Idempotency-Key": "evidence-1"}
    path = "/v1/versions/{}/evidence".format(called.manager.registry.version("tiny", 1).model_id)
    body = {"kind": "ShadowValidate", "key": "once", "run": "key", "document": {"verdict": "PASS"}}
    first = called.http.post(path, json=body, headers=headers)
    before = everything(called)
    again = called.http.post(path, json=body, headers=headers)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert everything(called) == before
    other = called.http.post(path, json={**body, "run": "another"}, headers=headers)
    assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")
    stranger = called.http.post(path, json=body, headers={"Idempotency-Key": "evidence-1"})
    assert stranger.status_code == 401


def test_each_change_leaves_one_audit_line_with_who_what_run_and_outcome(called: Called) -> None:
    path = called.home / "manager" / "audit.jsonl"
    before = len(path.read_text().splitlines())
    headers = {**called.headers(OPERATOR), "Seatrial-Run": "upload__1"}
    called.http.post("/v1/models/tiny/stage-moves", json={"version": 9, "to": "Staging", "who": "x"}, headers=headers)
    called.http.delete("/v1/trial-servers/none", headers=called.headers("client"))
    called.http.get("/v1/models", headers=headers)
    lines = [json.loads(line) for line in path.read_text().splitlines()[before:]]
    seen = [(line["who"], line["role"], line["method"], line["path"], line["run"], line["status"]) for line in lines]
    assert seen == [
        ("home", "operator", "POST", "/v1/models/tiny/stage-moves", "upload__1", 404),
        (None, None, "DELETE", "/v1/trial-servers/none", "", 403),
    ]


MOVES = "/v1/models/tiny/stage-moves"
BAD: list[tuple[str, str, Any, int]] = [
    ("POST", MOVES, {"version": "one", "to": "Staging", "who": "x"}, 422),
    ("POST", MOVES, {"version": 1, "to": "Live", "who": "x"}, 422),
    ("POST", MOVES, {"version": 1, "to": "None", "who": "x"}, 422),
    ("POST", MOVES, {"version": 1, "to": "Archived", "who": "x", "surprise": 1}, 422),
    ("POST", MOVES, {"version": 1, "to": "Archived"}, 422),
    ("POST", MOVES, {"version": 1, "to": "Production", "who": "x", "expect_production": 7}, 409),
    ("POST", MOVES, {"version": 99, "to": "Staging", "who": "x"}, 404),
    ("POST", MOVES, {"version": 10**30, "to": "Staging", "who": "x"}, 422),
    ("POST", MOVES, {"version": 1, "to": "Archived", "who": "x" * 100_000}, 422),
    ("POST", MOVES, {"version": 1, "to": "Archived", "who": "x", "environment": ""}, 422),
    ("POST", MOVES, {"version": 1, "to": "Archived", "who": "nul\0"}, 422),
    ("POST", "/v1/models/no-such/stage-moves", {"version": 1, "to": "Staging", "who": "x"}, 404),
    ("POST", "/v1/models/..%2F..%2Fetc/stage-moves", {"version": 1, "to": "Staging", "who": "x"}, 404),
    ("POST", "/v1/models/%00/stage-moves", {"version": 1, "to": "Staging", "who": "x"}, 404),
    ("POST", f"/v1/models/{'m' * 10_000}/stage-moves", {"version": 1, "to": "Staging", "who": "x"}, 422),
    ("GET", "/v1/models/%F0%9F%98%80", None, 404),
    ("GET", "/v1/versions/abc", None, 422),
    ("GET", "/v1/versions/99999999999999999999999", None, 422),
    ("GET", "/v1/versions/-1", None, 422),
    ("GET", "/v1/nothing", None, 404),
    ("PATCH", "/v1/models", None, 405),
    ("POST", "/v1/versions/999999/evidence", {"kind": "K", "key": "k", "run": "r", "document": {}}, 404),
    ("PUT", "/v1/versions/999999/deployment", {"option": {"name": "x", "cores": -1, "threads": 1}}, 422),
    ("POST", "/v1/models/tiny/versions", {"upload": "/etc", "report": {}, "run": ""}, 422),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input_is_a_typed_problem_and_nothing_is_written(
    called: Called, method: str, path: str, body: Any, status: int
) -> None:
    before = everything(called)
    answer = called.http.request(method, path, json=body, headers=called.headers(OPERATOR))
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"].startswith("urn:seatrial:")
    assert len(problem["detail"]) < 2000
    assert everything(called) == before


def test_a_huge_body_is_refused_before_it_is_read_whole(called: Called) -> None:
    before = everything(called)
    headers = {**called.headers(OPERATOR), "Content-Type": "application/json"}
    declared = called.http.post(MOVES, content=b" " * (17 * 2**20), headers=headers)
    chunks = called.http.post(MOVES, content=(b" " * 2**20 for _ in range(17)), headers=headers)
    for answer in (declared, chunks):
        assert (answer.status_code, answer.json()["type"], answer.json()["limit"]) == (
            413,
            "urn:seatrial:too-large",
            16 * 2**20,
        )
    assert everything(called) == before


def test_no_json_is_a_problem_that_says_so(called: Called) -> None:
    headers = {**called.headers(OPERATOR), "Content-Type": "application/json"}
    answer = called.http.post(MOVES, content=b"{cut off", headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (422, "refused")
