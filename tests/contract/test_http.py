"""ETags, idempotency keys and audit lines."""

from __future__ import annotations

import json

import pytest

from tests.contract.conftest import Called, everything

OPERATOR = "operator"
READS = ("/v1/models", "/v1/models/tiny", "/v1/models/tiny/ledger", "/v1/models/tiny/versions/1", "/v1/health")


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
