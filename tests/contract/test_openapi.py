"""The manager keeps to its own OpenAPI document: schemathesis asks every operation for what it declares."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel

from seatrial.manager.app import PARTS
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.openapi import SHOWN
from seatrial.manager.roles import NEEDED, address
from tests.contract.conftest import Called
from tests.contract.test_roles import filled

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

SERVERS = ("/trial-servers", "/deployment")  # they would start real ones: test_server_routes.py
OPERATIONS = sorted((method, address(path)) for method, path in NEEDED if not any(part in path for part in SERVERS))


@pytest.fixture(scope="package")
def openapi(called: Called) -> Any:
    return schemathesis.openapi.from_url(f"{called.http.base_url}/openapi.json")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_one_that_the_document_declares(called: Called, openapi: Any, method: str, path: str) -> None:
    @given(openapi[path.replace(":path", "")][method].as_strategy())
    @settings(max_examples=20, suppress_health_check=list(HealthCheck))
    def conforms(case: schemathesis.Case) -> None:
        case.call_and_validate(
            headers=called.headers("operator"),
            checks=[not_a_server_error, content_type_conformance, response_schema_conformance],
        )

    conforms()


def _holds_example(part: Any, document: dict[str, Any], seen: tuple[str, ...] = ()) -> bool:
    if isinstance(part, dict):
        name = str(part.get("$ref", "")).rpartition("/")[2]
        if name and name not in seen:
            return _holds_example(document["components"]["schemas"][name], document, (*seen, name))
        return "example" in part or any(_holds_example(value, document, seen) for value in part.values())
    return isinstance(part, list) and any(_holds_example(value, document, seen) for value in part)


def test_every_operation_says_what_it_does_how_it_fails_and_shows_an_example(called: Called) -> None:
    document = called.http.get("/openapi.json").json()
    assert {(method.upper(), path) for path, found in document["paths"].items() for method in found} == {
        (method, path.replace(":path", "")) for method, path in ((m, address(p)) for m, p in SHOWN)
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["x-role"], (method, path)
            assert "application/problem+json" in operation["responses"]["default"]["content"], (method, path)
            assert operation["security"], (method, path)
            parts = [operation.get("parameters", []), operation.get("requestBody", {})]
            answers = [answer for status, answer in operation["responses"].items() if status != "default"]
            shown = _holds_example([*parts, *answers], document) or "examples" in json.dumps(parts)
            assert shown, (method, path)


READS = [key for key, shown in SHOWN.items() if key[0] == "GET" and isinstance(shown.answer, dict)]
TYPES: dict[tuple[str, str], Any] = {
    (method, route.path): route.response_model
    for part in PARTS
    for route in part.router.routes
    if isinstance(route, GuardedRoute)
    for method in route.methods
}
PLAIN = {  # answers that are no JSON documents
    ("GET", "/models/{model}/captures/{capture_id}"),
    ("PUT", "/models/{model}/captures/{capture_id}/aside"),
    ("GET", "/versions/{model_id}/files/{path:path}"),
    ("GET", "/export"),
    ("GET", "/metrics"),
    ("DELETE", "/trial-servers/{trial_id}"),
}


@pytest.mark.parametrize(("method", "path"), sorted(set(NEEDED) - PLAIN))
def test_every_answer_is_typed_field_by_field_and_its_example_is_such_an_answer(method: str, path: str) -> None:
    kind = TYPES[method, path]
    assert issubclass(kind, BaseModel)
    assert kind.model_fields
    kind.model_validate(SHOWN[method, path].answer)


@pytest.mark.parametrize(("method", "path"), READS)
def test_an_example_has_the_fields_of_a_real_answer(called: Called, method: str, path: str) -> None:
    address = filled(path).replace("999999", str(called.manager.registry.version("tiny", 1).model_id))
    asked = {"/production": {"at": "2030-01-01T00:00Z"}, "/comparison": {"to": address.split("/")[-2]}}
    query = next((query for end, query in asked.items() if path.endswith(end)), {})
    answer = called.http.request(method, address, params=query, headers=called.headers("operator"))
    if answer.status_code == 404:
        # `tiny` has never been in Production, nothing is deployed, and no server runs
        absent = ("scaling-policy", "rollback-target", "trial-servers", "replicas", "/deployment", "/v2/models")
        assert any(part in path for part in absent)
        return
    assert answer.status_code == 200, answer.text
    assert set(SHOWN[method, path].answer) == set(answer.json())
