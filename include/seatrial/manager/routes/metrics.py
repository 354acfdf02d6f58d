"""What Prometheus reads: the manager's own metrics, and where it finds those of each replica."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response
from pydantic import Field, RootModel

from seatrial.manager.gauges import targets
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import Answer, Manager

router = APIRouter(tags=["metrics"], route_class=GuardedRoute)


class TargetGroup(Answer):
    """One replica."""

    targets: list[str] = Field(description="host:port; Triton's metrics are at /metrics there.")
    labels: dict[str, str] = Field(description="model, version, model_id, environment, stage, replica.")


class TargetGroups(RootModel[list[TargetGroup]]):
    """What Prometheus's HTTP service discovery reads."""


FORMATS = {
    "text/plain": {"example": 'seatrial_deployments{environment="local",state="ready"} 2.0\n'},
    "application/openmetrics-text": {},
}


@router.get("/metrics", response_class=Response, responses={200: {"content": FORMATS}})
def metrics(manager: Manager, accept: Annotated[str, Header()] = "") -> Response:
    body, content_type = manager.metrics.text(accept)
    return Response(body, headers={"Content-Type": content_type})


@router.get("/prometheus/targets")
def prometheus_targets(manager: Manager) -> TargetGroups:
    return TargetGroups.model_validate(targets(manager))
