"""What the OpenAPI document shows beside each route: its title, and an answer as one would see it."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastapi import FastAPI

from seatrial.manager.roles import NEEDED, PREFIX


class Shown(NamedTuple):
    title: str
    answer: Any = None


OPTION = {"name": "cpu-2x2", "device": "cpu", "cores": 2, "threads": 2}
MOVE = {
    "model": "pitch",
    "seq": 4,
    "environment": "local",
    "version": 2,
    "from_stage": "Staging",
    "to_stage": "Production",
    "displaced": 1,
    "at_ms": 1795519970000,
    "who": "airflow",
    "run": "upload__b0318d3b0aac163a",
    "why": "shadow verdict PASS",
}
VERSION = {
    "model_id": 7,
    "model": "pitch",
    "version": 2,
    "tree_digest": "9b1c4f7e2a6d8053b7c1e9f4d2a6805397b1c4f7e2a6d8053b7c1e9f4d2a6805",
    "user": "ann",
    "description": "basic-pitch as SavedModel",
    "tags": {"team": "audio"},
    "metrics": {"f1": 0.93},
    "created_ms": 1795519850000,
    "stages": {"local": "Production"},
}
EVIDENCE = {
    "id": 31,
    "model_id": 7,
    "kind": "ShadowValidate",
    "key": "report",
    "run": "upload__b0318d3b0aac163a",
    "at_ms": 1795519900000,
    "document": {"verdict": "PASS", "requests": 350},
}
POLICY = {
    "model": "pitch",
    "version": 2,
    "model_id": 7,
    "environment": "local",
    "option": OPTION,
    "cell": "9b1c4f7e2a6d",
    "lambda_max": 21.48,
    "mu": 31.2,
    "ratio": 0.8249,
    "ratio_factors": {"tau": 0.1, "imbalance": 1.05, "growth": 1.0496, "lead_s": 61.0},
    "target_per_replica": 16.0,
    "min_replicas": 1,
    "max_replicas": 2,
    "scale_down_window_s": 300.0,
    "derived_at_ms": 1795519960000,
    "explanation": "16 = 0.82 × 20.41 requests/s measured on cpu-2x2",
}
TRIAL = {"id": "trial-3f9a", "state": "ready", "pid": 4712, "grpc_address": "127.0.0.1:20007", "started_in_s": 1.2}
ROUTES = {
    "capture": {"share": 0.1, "per_minute": 60.0},
    "environments": {"local": {"production": 2, "staging": None, "versions": {}}},
}

SHOWN: dict[tuple[str, str], Shown] = {
    ("GET", "/health"): Shown("The manager and its machine", {"status": "ok", "version": "0.1.0", "pid": 4711}),
    ("GET", "/discovery"): Shown("Where every model runs; waits for news", {"models": {"pitch": ROUTES}}),
    ("POST", "/models/{model}/captures"): Shown("Keep a live request", {"id": "1795519900000-000001-v2"}),
    ("GET", "/models/{model}/captures"): Shown(
        "The newest captured requests",
        {"captures": [{"id": "1795519900000-000001-v2", "at_ms": 1795519900000, "version": 2, "bytes": 175862}]},
    ),
    ("GET", "/models/{model}/captures/{capture_id}"): Shown("One captured request's tensors (.npz)"),
    ("GET", "/models"): Shown(
        "List models",
        {"models": [{"name": "pitch", "production": 2, "staging": None, "versions": 2}], "cursor": None},
    ),
    ("GET", "/models/{model}"): Shown(
        "A model with its versions",
        {"name": "pitch", "stages": {"local": {"production": 2, "staging": None}}, "versions": [VERSION]},
    ),
    ("GET", "/models/{model}/stages/{stage}"): Shown("The version that holds a stage", VERSION),
    ("GET", "/models/{model}/ledger"): Shown("Every stage move", {"moves": [MOVE]}),
    ("GET", "/models/{model}/production"): Shown(
        "What was in Production at a moment",
        {"model": "pitch", "environment": "local", "at_ms": 1795520000000, "production": {"version": 2}},
    ),
    ("GET", "/models/{model}/rollback-target"): Shown(
        "What a rollback would restore", {"version": 1, "model_id": 3, "replaces": 2, "policy": None}
    ),
    ("POST", "/models/{model}/stage-moves"): Shown("Move a version to a stage", MOVE),
    ("GET", "/models/{model}/scaling-policy"): Shown("The scaling policy in force", POLICY),
    ("PUT", "/models/{model}/scaling-policy"): Shown("Set the scaling policy", POLICY),
    ("POST", "/models/{model}/versions"): Shown("Register an upload", {"version": VERSION, "created": True}),
    ("GET", "/models/{model}/versions/{number}"): Shown("A version by its number", VERSION),
    ("DELETE", "/models/{model}/versions/{number}"): Shown("Delete a version", {**MOVE, "to_stage": "Deleted"}),
    ("GET", "/versions"): Shown("List versions of all models", {"versions": [VERSION], "cursor": None}),
    ("GET", "/versions/{model_id}"): Shown("A version by its model id", VERSION),
    ("GET", "/versions/{model_id}/files/{path:path}"): Shown("One of a version's files"),
    ("GET", "/versions/{model_id}/dossier"): Shown(
        "All that is known of a version",
        {"schema": 1, "version": VERSION, "ledger": [MOVE], "evidence": [EVIDENCE], "cells": []},
    ),
    ("GET", "/versions/{model_id}/comparison"): Shown(
        "What differs between two versions",
        {
            "schema": 1,
            "left": {"model": "pitch", "version": 1, "model_id": 3},
            "right": {"model": "pitch", "version": 2, "model_id": 7},
            "sections": {"format": [{"name": "format", "left": "onnx", "right": "savedmodel"}]},
            "same": ["signature"],
        },
    ),
    ("GET", "/versions/{model_id}/evidence"): Shown("The evidence about a version", {"evidence": [EVIDENCE]}),
    ("POST", "/versions/{model_id}/evidence"): Shown("Keep a document of evidence", EVIDENCE),
    ("GET", "/export"): Shown("The whole registry as JSON lines"),
    ("POST", "/import"): Shown(
        "An exported file into an empty registry", {"models": 1, "versions": 2, "evidence": 12, "moves": 4}
    ),
    ("POST", "/artifacts/garbage-collections"): Shown(
        "Remove the files that nothing needs", {"dry_run": True, "grace_s": 3600.0, "removed": [], "bytes": 0}
    ),
    ("GET", "/deployments"): Shown("All deployments", {"deployments": []}),
    ("GET", "/versions/{model_id}/deployment"): Shown("A version's deployment"),
    ("PUT", "/versions/{model_id}/deployment"): Shown("Deploy a version"),
    ("DELETE", "/versions/{model_id}/deployment"): Shown("Take a deployment away", {"state": "draining"}),
    ("POST", "/trial-servers"): Shown("Start a trial server", TRIAL),
    ("GET", "/trial-servers/{trial_id}"): Shown("A trial server", TRIAL),
    ("PUT", "/trial-servers/{trial_id}/lease"): Shown("Keep a trial server for longer", TRIAL),
    ("DELETE", "/trial-servers/{trial_id}"): Shown("Stop a trial server"),
}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app`, with titles, examples and the least role of each route."""
    found: dict[str, Any] = FastAPI.openapi(app)
    for (method, path), shown in SHOWN.items():
        operation = found["paths"][PREFIX + path.replace(":path", "")][method.lower()]
        operation["summary"] = shown.title
        operation["x-role"] = NEEDED[method, path]
        for status, answer in operation["responses"].items():
            if status.startswith("2") and shown.answer is not None:
                answer.setdefault("content", {}).setdefault("application/json", {})["example"] = shown.answer
    return found
