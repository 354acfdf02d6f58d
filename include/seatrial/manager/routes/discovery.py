"""GET /v1/discovery: where every model runs; waits for news when the caller knows the present answer already.

The plain question is answered before it comes here, by `manager/long_polls.py`, in the same words."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import Answer, Manager
from seatrial.tensors import Signature

router = APIRouter(tags=["discovery"], route_class=GuardedRoute)


class CaptureRule(Answer):
    """Which share of live requests may be kept, and how many a minute at most; none of more bytes, and not the layers
    named in `without`."""

    share: float
    per_minute: float
    largest_bytes: int
    without: list[str]


class EndpointDocument(Answer):
    address: str
    weight: float


class ServingVersion(Answer):
    model_id: int
    signature: Signature
    endpoints: list[EndpointDocument]


class EnvironmentDocument(Answer):
    """The numbers in Production and Staging, and by number each version that is served or in Production."""

    production: int | None
    staging: int | None
    versions: dict[str, ServingVersion]


class ModelRoutes(Answer):
    capture: CaptureRule
    environments: dict[str, EnvironmentDocument]


class DiscoveryDocument(Answer):
    """By model name. A model that runs nowhere has no environments."""

    models: dict[str, ModelRoutes]


@router.get("/discovery", response_model=DiscoveryDocument)
async def discover(
    manager: Manager,
    wait_s: Annotated[float, Query(ge=0, le=60)] = 0.0,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The document with its ETag; 304 when `wait_s` passed and nothing is new."""
    newest = await manager.editions.other_than(if_none_match, wait_s)
    return newest.answer(if_none_match)
