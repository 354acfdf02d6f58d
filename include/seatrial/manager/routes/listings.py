"""Lists of models and versions: filtered, ordered, in pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import Answer, Manager
from seatrial.registry.entities import ModelOverview, ModelVersion, Scalar, Stage, StageMove
from seatrial.registry.mlmd_overview import overviews
from seatrial.registry.paging import DEFAULT_LIMIT, HIGHEST_LIMIT, parse_order
from seatrial.registry.query import parse_filter
from seatrial.registry.search import find_models, find_versions, places_of
from seatrial.served_model import Format

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


class ModelPage(Answer):
    models: list[ModelOverview]
    cursor: str | None = Field(description="For the next page; null on the last one.")


class VersionRow(Answer):
    """A version as a list shows it."""

    model: str
    version: int
    model_id: int
    user: str
    description: str
    created_ms: int
    tags: dict[str, str]
    metrics: dict[str, float]
    hyper_parameters: dict[str, Scalar]
    format: Format
    stages: dict[str, Stage]


class VersionPage(Answer):
    versions: list[VersionRow]
    cursor: str | None = Field(description="For the next page; null on the last one.")


@router.get("/models")
def list_models(
    manager: Manager,
    wanted: FilterText = "",
    order: OrderText = "name",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> ModelPage:
    """A page of the models of which a version meets the filter. `cursor` is null on the last page."""
    registry = manager.registry
    page = find_models(registry, parse_filter(wanted), parse_order(order), limit, cursor)
    return ModelPage(models=overviews(registry, page.items), cursor=page.cursor)


@router.get("/versions")
def list_versions(
    manager: Manager,
    wanted: FilterText = "",
    order: OrderText = "-created",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> VersionPage:
    """A page of the versions that meet the filter, of all models, newest first. `cursor` is null on the last page."""
    registry = manager.registry
    page = find_versions(registry, parse_filter(wanted), parse_order(order), limit, cursor)
    moves: dict[str, list[StageMove]] = {version.model: [] for version in page.items}
    for move in registry.moves_of(page.items):
        moves[move.model].append(move)
    rows = [_row(version, dict(places_of(moves[version.model], version.version))) for version in page.items]
    return VersionPage(versions=rows, cursor=page.cursor)


def _row(version: ModelVersion, stages: dict[str, Stage]) -> VersionRow:
    known = version.model_dump(include=set(VersionRow.model_fields))
    return VersionRow(**known, format=version.served.format, stages=stages)
