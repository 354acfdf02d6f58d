"""The routes that start Inference Servers keep to the OpenAPI document, on a tritonserver that ends at once: what the
manager says of servers that fail is as much of the contract as what it says of those that run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.manager.roles import NEEDED, PREFIX
from seatrial.waiting import Deadline, wait_until
from tests.contract.conftest import Called, calling

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

SERVERS = sorted(
    (method, PREFIX + path) for method, path in NEEDED if "/trial-servers" in path or path.endswith("/deployment")
)
MOST_REPLICAS = 2  # of the up to 256 that a request may ask for: each is a process
KNOWN = st.sampled_from([True, True, False])


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Called]:
    """A manager whose tritonserver says one line and ends."""
    triton = tmp_path_factory.mktemp("triton")
    (triton / "bin").mkdir()
    (triton / "backends" / "python").mkdir(parents=True)
    (triton / "bin" / "tritonserver").write_text("#!/bin/sh\necho 'E1126 no backend here' >&2\nexit 1\n")
    (triton / "bin" / "tritonserver").chmod(0o755)
    with calling(tmp_path_factory.mktemp("home"), SEATRIAL_TRITON=str(triton)) as found:
        yield found


@pytest.fixture(scope="module")
def openapi(failing: Called) -> Any:
    return schemathesis.openapi.from_url(f"{failing.http.base_url}/openapi.json")


def started(failing: Called) -> dict[str, Any]:
    """The ids of a version that has a deployment, and of a trial server."""
    model_id, option = failing.manager.registry.version("tiny", 1).model_id, {"name": "cpu-1x1"}
    trial = {"served": failing.report["served"], "option": option, "model_id": model_id, "purpose": "kept"}
    headers = failing.headers("operator")
    failing.http.put(f"{PREFIX}/versions/{model_id}/deployment", json={"option": option}, headers=headers)
    answer = failing.http.post(f"{PREFIX}/trial-servers", json={**trial, "lease_s": 600}, headers=headers)
    return {"model_id": model_id, "trial_id": answer.json()["id"]}


@pytest.mark.parametrize(("method", "path"), SERVERS)
def test_every_answer_is_one_that_the_document_declares(failing: Called, openapi: Any, method: str, path: str) -> None:
    there = started(failing)
    served, model_id = failing.report["served"], there["model_id"]

    @given(openapi[path][method].as_strategy(), KNOWN)
    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    def conforms(case: schemathesis.Case, known: bool) -> None:
        if known:  # what is generated, pointed at what is there: else little but 404 would be seen
            case.path_parameters.update({name: there[name] for name in case.path_parameters})
        if isinstance(case.body, dict):
            if "replicas" in case.body:
                case.body["replicas"] = min(MOST_REPLICAS, case.body["replicas"])
            if known and "served" in case.body:
                case.body.update(served=served, model_id=model_id, upload=None)
        answer = case.call_and_validate(
            headers=failing.headers("operator"),
            checks=[not_a_server_error, content_type_conformance, response_schema_conformance],
        )
        seen.add(answer.status_code)

    seen: set[int] = set()
    conforms()
    assert min(seen) < 300, seen


def test_a_deployment_whose_servers_end_at_once_says_so_with_the_servers_last_lines(failing: Called) -> None:
    model_id = failing.manager.registry.version("tiny", 1).model_id
    path, headers = f"{PREFIX}/versions/{model_id}/deployment", failing.headers("operator")
    failing.http.put(path, json={"option": {"name": "cpu-1x1"}}, headers=headers)
    found = wait_until(
        lambda: (d := failing.http.get(path, headers=headers).json())["state"] == "failed" and d,
        Deadline.after(60),
        "the deployment has failed",
    )
    assert found["replicas"][-1]["log_tail"] == ["E1126 no backend here"]
    assert failing.http.delete(path, headers=headers).status_code == 202
