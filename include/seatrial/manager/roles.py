"""Who may do what: the least role that each route asks for. A route without a row does not come up."""

from __future__ import annotations

from seatrial.manager.tokens import Role

NEEDED: dict[tuple[str, str], Role] = {
    # what a service's Inference Client does
    ("GET", "/health"): "client",
    ("GET", "/discovery"): "client",
    ("POST", "/models/{model}/captures"): "client",
    # what Prometheus reads: names and addresses that discovery tells too, and counts
    ("GET", "/metrics"): "client",
    ("GET", "/prometheus/targets"): "client",
    # the same for people without a client, for trying out: a request for a model's name
    ("GET", "/v2"): "client",
    ("GET", "/v2/health/live"): "client",
    ("GET", "/v2/health/ready"): "client",
    ("GET", "/v2/models/{model}"): "client",
    ("GET", "/v2/models/{model}/ready"): "client",
    ("POST", "/v2/models/{model}/infer"): "client",
    ("GET", "/v2/models/{model}/versions/{number}"): "client",
    ("GET", "/v2/models/{model}/versions/{number}/ready"): "client",
    ("POST", "/v2/models/{model}/versions/{number}/infer"): "client",
    # reading: what is there, and why
    ("GET", "/models"): "researcher",
    ("GET", "/models/{model}"): "researcher",
    ("GET", "/models/{model}/stages/{stage}"): "researcher",
    ("GET", "/models/{model}/ledger"): "researcher",
    ("GET", "/models/{model}/rollback-target"): "researcher",
    ("GET", "/models/{model}/production"): "researcher",
    ("GET", "/models/{model}/scaling-policy"): "researcher",
    ("GET", "/models/{model}/versions/{number}"): "researcher",
    ("GET", "/versions"): "researcher",
    ("GET", "/versions/{model_id}"): "researcher",
    ("GET", "/versions/{model_id}/evidence"): "researcher",
    ("GET", "/versions/{model_id}/dossier"): "researcher",
    ("GET", "/versions/{model_id}/comparison"): "researcher",
    ("GET", "/versions/{model_id}/files/{path:path}"): "researcher",
    ("GET", "/versions/{model_id}/size"): "researcher",
    ("GET", "/versions/{model_id}/deployment"): "researcher",
    ("GET", "/deployments"): "researcher",
    ("GET", "/replicas/{replica_id}/log"): "researcher",
    ("GET", "/trial-servers/{trial_id}"): "researcher",
    ("GET", "/export"): "operator",
    # captured requests can hold personal data
    ("GET", "/models/{model}/captures"): "operator",
    ("GET", "/models/{model}/captures/{capture_id}"): "operator",
    ("PUT", "/models/{model}/captures/{capture_id}/aside"): "operator",
    ("DELETE", "/models/{model}/captures"): "operator",
    # changing
    ("POST", "/models/{model}/versions"): "operator",
    ("DELETE", "/models/{model}/versions/{number}"): "operator",
    ("POST", "/models/{model}/stage-moves"): "operator",
    ("POST", "/models/{model}/rollbacks"): "operator",
    ("PUT", "/models/{model}/scaling-policy"): "operator",
    ("POST", "/versions/{model_id}/evidence"): "operator",
    ("PUT", "/versions/{model_id}/deployment"): "operator",
    ("DELETE", "/versions/{model_id}/deployment"): "operator",
    ("POST", "/import"): "operator",
    ("POST", "/artifacts/garbage-collections"): "operator",
    ("POST", "/trial-servers"): "operator",
    ("PUT", "/trial-servers/{trial_id}/lease"): "operator",
    ("DELETE", "/trial-servers/{trial_id}"): "operator",
}

PREFIX = "/v1"
UNVERSIONED = ("/metrics", "/prometheus/targets")
"""Where Prometheus's own habits look, in formats that have versions of their own."""

OPEN_INFERENCE = "/v2"
"""The Open Inference Protocol's own prefix: not the second version of this API."""


def address(path: str) -> str:
    """Where a route of the table is found."""
    return path if path in UNVERSIONED or path.startswith(OPEN_INFERENCE) else PREFIX + path


def needed(method: str, path: str) -> Role:
    """KeyError for a route that is not in the table: it must not be open by mistake."""
    return NEEDED[method, path.removeprefix(PREFIX)]
