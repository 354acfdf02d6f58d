"""The manager keeps to its own OpenAPI document: schemathesis asks every operation for what it declares."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from seatrial.manager.roles import NEEDED, PREFIX
from tests.contract.conftest import Called

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

SERVERS = ("/trial-servers", "/deployment")  # they would start real ones
OPERATIONS = sorted((method, PREFIX + path) for method, path in NEEDED if not any(part in path for part in SERVERS))


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


def test_every_operation_says_what_it_does_and_how_it_fails(called: Called) -> None:
    document = called.http.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert "application/problem+json" in operation["responses"]["default"]["content"], (method, path)
            assert operation["security"], (method, path)
