"""What bad input is answered with: a typed problem that names field, value and limit, and nothing is written."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from seatrial.manager.roles import NEEDED, address
from seatrial.manager.routes import archive
from seatrial.strict_json import DEEPEST
from tests.contract.conftest import Called, everything
from tests.contract.test_roles import filled

OPERATOR = "operator"
MOVES = "/v1/models/tiny/stage-moves"
BAD: list[tuple[str, str, Any, int]] = [
    ("POST", MOVES, {"version": "one", "to": "Staging", "who": "x"}, 422),
    ("POST", MOVES, {"version": 1, "to": "Live", "who": "x"}, 422),
    ("POST", MOVES, {"version": 1, "to": "None", "who": "x"}, 422),
    ("POST", MOVES, {"version": 1, "to": "Archived", "who": "x", "surprise": 1}, 422),
    ("POST", MOVES, {"version": 1, "to": "Archived"}, 422),
    ("POST", MOVES, {"version": 1, "to": "Production", "who": "x", "expect_production": 7}, 409),
    ("POST", MOVES, {"version": 1, "to": "Archived", "who": "x", "expect_staging": 7}, 409),
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


@pytest.mark.parametrize("declared", [True, False])
def test_an_import_beyond_its_limit_is_refused_and_leaves_nothing(
    called: Called, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    monkeypatch.setattr(archive, "IMPORT_LIMIT", 100_000)  # the real one is larger than this test's disk
    before, files = everything(called), sorted((called.home / "manager").iterdir())
    body = b"x" * 100_001
    answer = called.http.post(
        "/v1/import",
        content=body if declared else iter([body[:70_000], body[70_000:]]),
        headers=called.headers("operator"),
    )
    problem = answer.json()
    assert (answer.status_code, problem["type"], problem["limit"]) == (413, "urn:seatrial:too-large", 100_000)
    whole = called.http.post("/v1/import", content=body[:100_000], headers=called.headers("operator"))
    assert whole.status_code == 422
    assert everything(called) == before
    assert sorted((called.home / "manager").iterdir()) == files


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


LEASE = "/v1/trial-servers/none/lease"
FLAWS: list[tuple[str, str, dict[str, Any] | None, tuple[str, str | None, str | None]]] = [
    ("GET", "/v1/models?limit=0", None, ("query.limit", "'0'", "at least 1")),
    ("GET", "/v1/models?limit=many", None, ("query.limit", "'many'", None)),
    ("GET", "/v1/models/tiny/stages/Live", None, ("path.stage", "'Live'", "'Staging' or 'Production'")),
    ("PUT", LEASE, {"lease_s": 0.5}, ("body.lease_s", "0.5", "at least 1")),
    ("POST", MOVES, {"version": 1, "to": "Staging"}, ("body.who", None, None)),
    ("POST", MOVES, {"version": 1, "to": "Staging", "who": "x" * 300}, ("body.who", f"'{'x' * 119}…", "at most 255")),
    ("POST", MOVES, {"version": 1, "to": "Staging", "who": "x", "whom": "y"}, ("body.whom", "'y'", None)),
]


@pytest.mark.parametrize(("method", "path", "body", "named"), FLAWS, ids=[row[1] + str(row[3][1])[:9] for row in FLAWS])
def test_a_refusal_names_field_value_and_limit(
    called: Called, method: str, path: str, body: Any, named: tuple[str, str | None, str | None]
) -> None:
    problem = refused(called, method, path, json=body)
    field, value, limit = named
    assert (problem["field"], problem.get("limit")) == (field, limit)
    assert value is None or problem["value"].startswith(value)
    assert all(word in problem["detail"] for word in (field, value or "", limit or ""))


def refused(called: Called, method: str, path: str, **sent: Any) -> dict[str, Any]:
    """The problem document of a refusal that left the registry as it was."""
    before = everything(called)
    answer = called.http.request(method, path, headers={**called.headers(OPERATOR), **sent.pop("headers", {})}, **sent)
    assert answer.status_code == 422, answer.text
    assert everything(called) == before
    problem: dict[str, Any] = answer.json()
    return problem


def evidence(called: Called) -> str:
    return f"/v1/versions/{called.manager.registry.version('tiny', 1).model_id}/evidence"


def nested(levels: int) -> Any:
    document: Any = 0
    for _ in range(levels):
        document = [document]
    return document


@pytest.mark.parametrize("levels", [DEEPEST, 500, 100_000])
def test_a_body_that_nests_too_deep_is_refused(called: Called, levels: int) -> None:
    text = f'{{"kind": "K", "key": "k", "run": "r", "document": {"[" * levels}{"]" * levels}}}'
    problem = refused(called, "POST", evidence(called), content=text, headers={"Content-Type": "application/json"})
    assert problem["field"] in ("body.document", "body")
    assert problem["limit"] == DEEPEST
    assert problem["value"] in (levels + 1, "hundreds of")


def test_a_document_of_the_greatest_depth_is_kept_and_can_be_read(called: Called) -> None:
    document = {"levels": nested(DEEPEST - 2)}
    body = {"kind": "Deep", "key": "k", "run": "r", "document": document}
    headers = called.headers(OPERATOR)
    assert called.http.post(evidence(called), json=body, headers=headers).status_code == 201
    kept = called.http.get(evidence(called), params={"kind": "Deep"}, headers=headers).json()["evidence"]
    assert [found["document"] for found in kept] == [document]
    assert called.http.get(evidence(called).replace("evidence", "dossier"), headers=headers).status_code == 200


def test_a_scaling_policy_is_no_evidence_that_just_anyone_writes(called: Called) -> None:
    body = {"kind": "PushAutoscaling", "key": "policy", "run": "r", "document": {}}
    problem = refused(called, "POST", evidence(called), json=body)
    assert (problem["field"], problem["value"]) == ("kind", "PushAutoscaling")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_refused_in_any_body(called: Called, constant: str) -> None:
    text = f'{{"kind": "K", "key": "k", "run": "r", "document": {{"mu": {constant}}}}}'
    problem = refused(called, "POST", evidence(called), content=text, headers={"Content-Type": "application/json"})
    assert (problem["field"], problem["value"]) == ("body.document.mu", constant)


POLICY = {
    "model": "tiny",
    "version": 1,
    "model_id": 1,
    "environment": "local",
    "option": {"name": "cpu-1x1"},
    "cell": "tiny@1/cpu-1x1",
    "lambda_max": 10.0,
    "mu": 12.0,
    "ratio": 0.5,
    "ratio_factors": {"tau": 0.1},
    "target_per_replica": 5.0,
    "min_replicas": 1,
    "max_replicas": 2,
    "scale_down_window_s": 60.0,
    "derived_at_ms": 0,
    "explanation": "",
}
SCALING = "/v1/models/tiny/scaling-policy"


@pytest.mark.parametrize(
    "path", [("lambda_max",), ("ratio_factors", "tau"), ("scale_down_window_s",), ("option", "price")]
)
def test_a_number_beyond_all_floats_is_refused(called: Called, path: tuple[str, ...]) -> None:
    policy: dict[str, Any] = deepcopy(POLICY)
    at = policy
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = "beyond"
    text = json.dumps({"policy": policy, "run": ""}).replace('"beyond"', "1e999")
    problem = refused(called, "PUT", SCALING, content=text, headers={"Content-Type": "application/json"})
    assert problem["field"] == ".".join(("body", "policy", *path))
    assert "finite" in problem["detail"]


@pytest.mark.parametrize(("name", "value"), [("model_id", 424242), ("model", "other")])
def test_a_policy_of_another_version_than_it_names_is_refused(called: Called, name: str, value: Any) -> None:
    model_id = called.manager.registry.version("tiny", 1).model_id
    policy = {**POLICY, "model_id": model_id, name: value}
    problem = refused(called, "PUT", SCALING, json={"policy": policy, "run": ""})
    limit = {"model_id": model_id, "model": "tiny"}[name]
    assert (problem["field"], problem["value"], problem["limit"]) == (f"policy.{name}", value, limit)


@pytest.mark.parametrize(("method", "path"), sorted(NEEDED))
def test_no_route_takes_a_parameter_that_it_does_not_know(called: Called, method: str, path: str) -> None:
    problem = refused(called, method, filled(path), params={"limt": "1"}, json={} if method != "GET" else None)
    assert (problem["type"], problem["field"], problem["value"]) == ("urn:seatrial:refused", "query.limt", "1")
    known = called.app.openapi()["paths"][address(path).replace(":path", "")][method.lower()].get("parameters", [])
    names = [parameter["name"] for parameter in known if parameter["in"] == "query"]
    assert problem["limit"] == (", ".join(names) or "none")


def test_a_parameter_given_twice_is_refused(called: Called) -> None:
    problem = refused(called, "GET", "/v1/models?limit=1&limit=2")
    assert (problem["field"], problem["value"]) == ("query.limit", "2")


def test_a_cursor_that_nests_deep_is_refused(called: Called) -> None:
    cursor = base64.urlsafe_b64encode(b"[" * 1400).decode()
    assert refused(called, "GET", f"/v1/models?cursor={cursor}")["field"] == "cursor"


def _schemas(part: Any, document: dict[str, Any], seen: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every named schema that a part of the OpenAPI document uses."""
    if isinstance(part, dict):
        name = str(part.get("$ref", "")).rpartition("/")[2]
        if name and name not in seen:
            seen.add(name)
            yield name, document["components"]["schemas"][name]
            yield from _schemas(document["components"]["schemas"][name], document, seen)
        part = list(part.values())
    if isinstance(part, list):
        for below in part:
            yield from _schemas(below, document, seen)


def test_every_object_of_every_body_refuses_unknown_fields(called: Called) -> None:
    document, seen = called.app.openapi(), set[str]()
    bodies = [
        operation.get("requestBody", {})
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    found = dict(_schemas(bodies, document, seen))
    objects = {name: schema for name, schema in found.items() if schema["type"] == "object"}
    assert {"StageMoveRequest", "Registration", "ScalingPolicy", "Signature", "TensorSpec", "Manifest"} <= set(objects)
    assert [name for name, schema in objects.items() if schema.get("additionalProperties") is not False] == []


def test_an_unknown_field_is_named_wherever_it_stands(called: Called) -> None:
    report = deepcopy(called.report)
    report["served"]["signature"]["inputs"][0]["surprise"] = 1
    body = {"upload": str(called.upload), "report": report, "run": ""}
    problem = refused(called, "POST", "/v1/models/tiny/versions", json=body)
    assert problem["field"] == "body.report.served.signature.inputs.0.surprise"
