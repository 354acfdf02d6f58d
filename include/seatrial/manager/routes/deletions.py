"""Deleting a version: it ends in the ledger, and its files are left to the next garbage collection."""

from __future__ import annotations

import logging

from fastapi import APIRouter

from seatrial.errors import Conflict
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import Manager, ModelName, RunId, Sentence, VersionNumber, Word
from seatrial.registry.entities import StageMove

router = APIRouter(tags=["deletions"], route_class=GuardedRoute)
log = logging.getLogger(__name__)


@router.delete("/models/{model}/versions/{number}")
def delete_version(
    model: ModelName,
    number: VersionNumber,
    manager: Manager,
    who: Word,
    force: bool = False,
    run: RunId = "",
    why: Sentence = "",
) -> StageMove:
    """The ledger entry that ended the version; asking again answers the same one.

    A conflict while it has a deployment, and when it is or ever was in Production, unless forced with a reason.
    """
    version = manager.registry.any_version(model, number)
    for deployment in manager.deployments.all():
        if deployment.spec.model_id == version.model_id:
            raise Conflict(
                f"{model}@{number} is deployed in {deployment.spec.environment} ({deployment.state}):"
                " take the deployment away first",
                model_id=version.model_id,
                environment=deployment.spec.environment,
            )
    move = manager.registry.delete(model, number, force=force, who=who, run=run, why=why)
    log.warning("%s@%d was deleted by %s%s: %s", model, number, who, " with force" if force else "", why)
    manager.news.changed()
    return move
