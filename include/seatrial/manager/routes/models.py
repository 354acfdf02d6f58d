"""Registered models, their stage ledger and its moves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field

from seatrial.errors import NotFound
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.routes.common import (
    Body,
    Environment,
    Manager,
    ModelName,
    RunId,
    Sentence,
    VersionNumber,
    Word,
    version_document,
)
from seatrial.manager.sweep import sweep
from seatrial.registry.entities import Stage, StageMove
from seatrial.registry.rules import ANY, current, rollback_target

router = APIRouter(tags=["models"], route_class=GuardedRoute)


class StageMoveRequest(Body):
    """`expect_production`: the version that the caller believes to be in Production; left out = any."""

    version: VersionNumber
    to: Stage
    environment: Environment = "local"
    expect_production: VersionNumber | None = None
    who: Annotated[Word, Field(examples=["ann"])]
    run: RunId = ""
    why: Annotated[Sentence, Field(examples=["shadow verdict PASS"])] = ""


@router.get("/models/{model}")
def show_model(model: ModelName, manager: Manager) -> dict[str, Any]:
    registered = manager.registry.model(model)
    moves = manager.registry.ledger(model)
    environments = {"local", *(move.environment for move in moves)}
    return {
        "name": registered.name,
        "created_ms": registered.created_ms,
        "stages": {
            name: {"production": current(moves, name).production, "staging": current(moves, name).staging}
            for name in sorted(environments)
        },
        "versions": [version_document(manager, version, moves) for version in manager.registry.versions(model)],
    }


@router.get("/models/{model}/stages/{stage}")
def show_stage(
    model: ModelName, stage: Literal["Staging", "Production"], manager: Manager, environment: Environment = "local"
) -> dict[str, Any]:
    """The version that is in a stage of an environment."""
    moves = manager.registry.ledger(model)
    number = getattr(current(moves, environment), stage.lower())
    if number is None:
        raise NotFound(f"{model!r} has no version in {stage} in {environment!r}", model=model, stage=stage)
    return version_document(manager, manager.registry.version(model, number), moves)


@router.get("/models/{model}/ledger")
def show_ledger(model: ModelName, manager: Manager) -> dict[str, list[StageMove]]:
    return {"moves": manager.registry.ledger(model)}


@router.post("/models/{model}/stage-moves", status_code=201)
def move_stage(model: ModelName, wanted: StageMoveRequest, manager: Manager) -> StageMove:
    """One entry of the ledger. Asking again for the stage that the version has answers its last move."""
    expect = wanted.expect_production if "expect_production" in wanted.model_fields_set else ANY
    move = manager.registry.move_stage(
        model,
        wanted.version,
        wanted.to,
        environment=wanted.environment,
        expect_production=expect,
        who=wanted.who,
        run=wanted.run,
        why=wanted.why,
    )
    manager.news.changed()
    sweep(manager)
    return move


@router.get("/models/{model}/rollback-target")
def show_rollback_target(model: ModelName, manager: Manager, environment: Environment = "local") -> dict[str, Any]:
    """The former Production version, with the scaling policy that was pushed for it (and so its hardware option)."""
    moves = manager.registry.ledger(model)
    version = manager.registry.version(model, rollback_target(moves, environment))
    pushed = manager.registry.evidence(version.model_id, "PushAutoscaling")
    return {
        "version": version.version,
        "model_id": version.model_id,
        "replaces": current(moves, environment).production,
        "policy": pushed[0].document if pushed else None,
    }
