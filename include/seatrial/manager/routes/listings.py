"""Lists of models and versions: filtered, ordered, in pages."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import Manager
from seatrial.registry.mlmd_overview import overviews
from seatrial.registry.paging import DEFAULT_LIMIT, HIGHEST_LIMIT, parse_order
from seatrial.registry.query import parse_filter
from seatrial.registry.search import find_models, find_versions, places_of

router = APIRouter(tags=["lists"], route_class=GuardedRoute)

FilterText = Annotated[
    str,
    Query(
        alias="filter",
        description="Clauses joined by `and`, e.g. `stage=Production and metric.f1>0.9 and tag.team=audio`.",
    ),
]
OrderText = Annotated[str, Query(max_length=300, description="A field; `-field` for the other way round.")]
Limit = Annotated[int, Query(ge=1, le=HIGHEST_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=2000, description="The `cursor` of the page before.")]


@router.get("/models")
def list_models(
    manager: Manager,
    wanted: FilterText = "",
    order: OrderText = "name",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """A page of the models of which a version meets the filter. `cursor` is null on the last page."""
    registry = manager.registry
    page = find_models(registry, parse_filter(wanted), parse_order(order), limit, cursor)
    return {"models": overviews(registry, page.items), "cursor": page.cursor}


@router.get("/versions")
def list_versions(
    manager: Manager,
    wanted: FilterText = "",
    order: OrderText = "-created",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """A page of the versions that meet the filter, of all models, newest first. `cursor` is null on the last page."""
    registry = manager.registry
    page = find_versions(registry, parse_filter(wanted), parse_order(order), limit, cursor)
    ledgers = {model: registry.ledger(model) for model in {version.model for version in page.items}}
    fields = {
        "model",
        "version",
        "model_id",
        "user",
        "description",
        "created_ms",
        "tags",
        "metrics",
        "hyper_parameters",
    }
    rows = [
        {
            **version.model_dump(mode="json", include=fields),
            "format": version.served.format,
            "stages": dict(places_of(ledgers[version.model], version.version)),
        }
        for version in page.items
    ]
    return {"versions": rows, "cursor": page.cursor}
