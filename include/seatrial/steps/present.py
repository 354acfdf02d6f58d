"""What serves a model now."""

from __future__ import annotations

from seatrial.errors import NotDeployed
from seatrial.serving.spec import Deployment
from seatrial.steps.run import Run


def deployment_of(run: Run, model_id: int | None) -> Deployment | None:
    """The deployment of a version; None without a version and for one that is not deployed."""
    if model_id is None:
        return None
    try:
        return Deployment.model_validate(run.api.deployment(model_id))
    except NotDeployed:
        return None


def production_load(run: Run, model: str) -> float | None:
    """Requests a second that arrive at the servers of the Production version; None when there is none, and while its
    load is not known."""
    production = run.api.model(model)["stages"].get("local", {}).get("production")
    if production is None:
        return None
    found = deployment_of(run, run.api.model_version(model, production)["model_id"])
    return None if found is None else found.requests_per_s
