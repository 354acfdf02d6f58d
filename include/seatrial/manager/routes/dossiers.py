"""What an auditor asks: the dossier of a version, and what was in Production at a moment."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query

from seatrial.errors import NotFound
from seatrial.manager.composition import InferenceManager
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.audit_answers import Comparison, Dossier, ProductionAt, TenureDocument
from seatrial.manager.routes.common import HIGHEST_ID, Environment, Manager, ModelId, ModelName
from seatrial.registry.compare import compare
from seatrial.registry.dossier import Document, dossier
from seatrial.registry.history import Tenure, held_at, known_at
from seatrial.registry.moments import parse_moment

router = APIRouter(tags=["dossiers"], route_class=GuardedRoute)


@router.get("/versions/{model_id}/dossier", response_model=Dossier)
def show_dossier(model_id: ModelId, manager: Manager) -> Document:
    """All that is known of a version, deleted ones too, as one document (`registry/dossier.py` says each field).

    A dossier is what auditors call the complete file on one subject; a model card is the short text on top of one.
    """
    return dossier_of(manager, model_id)


@router.get("/models/{model}/production")
def show_production(
    model: ModelName,
    manager: Manager,
    at: Annotated[str, Query(max_length=60, description="RFC 3339, or milliseconds since 1970.")],
    environment: Environment = "local",
) -> ProductionAt:
    """Which versions held Production and Staging at a moment, by which ledger entry, and what was known of them then.

    A time without a zone is of the manager's zone; `at` in the answer names it. `ahead` says that the moment is yet to
    come: what the answer shows may still change.
    """
    moment = parse_moment(at)
    held = held_at(manager.registry.ledger(model), environment, moment.at_ms)
    return ProductionAt(
        model=model,
        environment=environment,
        at_ms=moment.at_ms,
        at=moment.said,
        ahead=moment.at_ms > time.time() * 1000,
        production=_tenure(manager, model, held.production),
        staging=_tenure(manager, model, held.staging),
    )


@router.get("/versions/{model_id}/comparison", response_model=Comparison, response_model_exclude_unset=True)
def show_comparison(model_id: ModelId, manager: Manager, to: Annotated[int, Query(ge=1, le=HIGHEST_ID)]) -> Document:
    """What differs between two versions, of one model or of two; `to` is the other's model id."""
    return compare(dossier_of(manager, model_id), dossier_of(manager, to))


def dossier_of(manager: InferenceManager, model_id: int) -> Document:
    registry = manager.registry
    version = registry.any_by_id(model_id)
    try:
        files, kept = manager.artifacts.files(version.tree_digest), True
    except NotFound:
        files, kept = version.served.files, False
    return dossier(version, registry.ledger(version.model), registry.evidence(model_id), files, kept=kept)


def _tenure(manager: InferenceManager, model: ModelName, tenure: Tenure | None) -> TenureDocument | None:
    if tenure is None:
        return None
    version = manager.registry.any_version(model, tenure.version)
    known = known_at(manager.registry.evidence(version.model_id), tenure.began.at_ms)
    return TenureDocument(
        version=version.version, model_id=version.model_id, began=tenure.began, ended=tenure.ended, evidence=known
    )
