"""The OpenAPI document: beside each route its title, the least role, and an answer as one would see it."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastapi import FastAPI

from seatrial.manager import examples
from seatrial.manager.inference_documents import request_schemas
from seatrial.manager.roles import NEEDED, address


class Shown(NamedTuple):
    title: str
    answer: Any = None


BEARER = {"HTTPBearer": {"type": "http", "scheme": "bearer", "description": "Made by `seatrial tokens create`."}}

SHOWN: dict[tuple[str, str], Shown] = {
    ("GET", "/health"): Shown("The manager and its machine", examples.HEALTH),
    ("GET", "/discovery"): Shown("Where every model runs; waits for news", {"models": {"pitch": examples.ROUTES}}),
    ("POST", "/models/{model}/captures"): Shown("Keep a live request", {"id": "1795519900000-000001-v2"}),
    ("GET", "/models/{model}/captures"): Shown(
        "The newest captured requests",
        {"captures": [{"id": "1795519900000-000001-v2", "at_ms": 1795519900000, "version": 2, "bytes": 175862}]},
    ),
    ("GET", "/models/{model}/captures/{capture_id}"): Shown("One captured request's tensors (.npz)"),
    ("PUT", "/models/{model}/captures/{capture_id}/aside"): Shown("Keep a captured request for a month"),
    ("DELETE", "/models/{model}/captures"): Shown("Remove all captured requests", {"removed": 1874}),
    ("GET", "/models"): Shown(
        "List models",
        {
            "models": [{"name": "pitch", "created_ms": 1795519000000, "production": 2, "staging": None, "versions": 2}],
            "cursor": None,
        },
    ),
    ("GET", "/models/{model}"): Shown(
        "A model with its versions",
        {
            "name": "pitch",
            "created_ms": 1795519000000,
            "stages": {"local": {"production": 2, "staging": None}},
            "versions": [examples.VERSION],
        },
    ),
    ("GET", "/models/{model}/stages/{stage}"): Shown("The version that holds a stage", examples.VERSION),
    ("GET", "/models/{model}/ledger"): Shown("Every stage move", {"moves": [examples.MOVE]}),
    ("GET", "/models/{model}/production"): Shown(
        "What was in Production at a moment",
        {
            "model": "pitch",
            "environment": "local",
            "at_ms": 1795520000000,
            "at": "2026-11-24 11:20:00 UTC",
            "ahead": False,
            "production": examples.TENURE,
            "staging": None,
        },
    ),
    ("GET", "/models/{model}/rollback-target"): Shown(
        "What a rollback would restore", {"version": 1, "model_id": 3, "replaces": 2, "policy": None}
    ),
    ("POST", "/models/{model}/stage-moves"): Shown("Move a version to a stage", examples.MOVE),
    ("POST", "/models/{model}/rollbacks"): Shown(
        "Go back to the former Production version",
        {"model": "pitch", "version": 1, "model_id": 3, "replaces": 2, "state": "starting"},
    ),
    ("GET", "/models/{model}/scaling-policy"): Shown("The scaling policy in force", examples.POLICY),
    ("PUT", "/models/{model}/scaling-policy"): Shown("Set the scaling policy", examples.POLICY),
    ("POST", "/models/{model}/versions"): Shown("Register an upload", {"version": examples.VERSION, "created": True}),
    ("GET", "/models/{model}/versions/{number}"): Shown("A version by its number", examples.VERSION),
    ("DELETE", "/models/{model}/versions/{number}"): Shown(
        "Delete a version", {**examples.MOVE, "to_stage": "Deleted"}
    ),
    ("GET", "/versions"): Shown("List versions of all models", {"versions": [examples.VERSION_ROW], "cursor": None}),
    ("GET", "/versions/{model_id}"): Shown("A version by its model id", examples.VERSION),
    ("GET", "/versions/{model_id}/files/{path:path}"): Shown("One of a version's files"),
    ("GET", "/versions/{model_id}/size"): Shown("How large a version's model is", {"model_bytes": 230440}),
    ("GET", "/versions/{model_id}/dossier"): Shown("All that is known of a version", examples.DOSSIER),
    ("GET", "/versions/{model_id}/comparison"): Shown("What differs between two versions", examples.COMPARISON),
    ("GET", "/versions/{model_id}/evidence"): Shown("The evidence about a version", {"evidence": [examples.EVIDENCE]}),
    ("POST", "/versions/{model_id}/evidence"): Shown("Keep a document of evidence", examples.EVIDENCE),
    ("GET", "/export"): Shown("The whole registry as JSON lines"),
    ("POST", "/import"): Shown(
        "An exported file into an empty registry", {"models": 1, "versions": 2, "evidence": 12, "moves": 4}
    ),
    ("POST", "/artifacts/garbage-collections"): Shown(
        "Remove the files that nothing needs", {"dry_run": True, "grace_s": 3600.0, "removed": [], "bytes": 0}
    ),
    ("GET", "/deployments"): Shown(
        "All deployments", {"deployments": [{**examples.DEPLOYMENT, "stage": "Production"}]}
    ),
    ("GET", "/versions/{model_id}/deployment"): Shown("A version's deployment", examples.DEPLOYMENT),
    ("PUT", "/versions/{model_id}/deployment"): Shown(
        "Deploy a version", {**examples.DEPLOYMENT, "state": "starting", "replicas": []}
    ),
    ("DELETE", "/versions/{model_id}/deployment"): Shown("Take a deployment away", {"state": "draining"}),
    ("GET", "/metrics"): Shown("The manager's metrics, for Prometheus"),
    ("GET", "/prometheus/targets"): Shown("Where Prometheus finds each replica's metrics", [examples.TARGET]),
    ("GET", "/replicas/{replica_id}/log"): Shown(
        "The end of a replica's log", {"id": "pitch-2-3f9a1b2c", "lines": ["Started GRPCInferenceService at …"]}
    ),
    ("POST", "/trial-servers"): Shown("Start a trial server", examples.TRIAL),
    ("GET", "/trial-servers/{trial_id}"): Shown("A trial server", examples.TRIAL),
    ("PUT", "/trial-servers/{trial_id}/lease"): Shown("Keep a trial server for longer", examples.TRIAL),
    ("DELETE", "/trial-servers/{trial_id}"): Shown("Stop a trial server"),
    ("GET", "/v2"): Shown("What answers here (Open Inference Protocol)", examples.OPEN_INFERENCE),
    ("GET", "/v2/health/live"): Shown("Is the manager there", {"live": True}),
    ("GET", "/v2/health/ready"): Shown("Does the manager answer", {"ready": True}),
    ("GET", "/v2/models/{model}"): Shown("The layers of the version in Production", examples.METADATA),
    ("GET", "/v2/models/{model}/ready"): Shown("Does a server answer", {"ready": True, "name": "pitch"}),
    ("POST", "/v2/models/{model}/infer"): Shown("One request, for trying out", examples.INFERRED),
    ("GET", "/v2/models/{model}/versions/{number}"): Shown("The layers of a version", examples.METADATA),
    ("GET", "/v2/models/{model}/versions/{number}/ready"): Shown(
        "Does a server answer for a version", {"ready": True, "name": "pitch"}
    ),
    ("POST", "/v2/models/{model}/versions/{number}/infer"): Shown(
        "One request to a version, for trying out", examples.INFERRED
    ),
}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app`, with titles, examples and the least role of each route."""
    found: dict[str, Any] = FastAPI.openapi(app)
    found["components"]["schemas"].update(request_schemas())
    found["components"]["securitySchemes"] = BEARER  # the guard asks; a dependency would be solved for each request
    for (method, path), shown in SHOWN.items():
        operation = found["paths"][address(path).replace(":path", "")][method.lower()]
        operation["summary"] = shown.title
        operation["security"] = [{name: [] for name in BEARER}]
        operation["x-role"] = NEEDED[method, path]
        for status, answer in operation["responses"].items():
            if status.startswith("2") and shown.answer is not None:
                answer.setdefault("content", {}).setdefault("application/json", {})["example"] = shown.answer
    return found
