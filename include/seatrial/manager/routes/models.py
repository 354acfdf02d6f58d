"""Registered models, their stage ledger and its moves."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field

from seatrial.autoscale.derive import ScalingPolicy
from seatrial.errors import NotFound
from seatrial.manager.guard import GuardedRoute
from seatrial.manager.policies import pushed_policy
from seatrial.manager.rollback import Rollback, roll_back
from seatrial.manager.routes.common import (
    Answer,
    Body,
    Environment,
    Manager,
    ModelName,
    RunId,
    Sentence,
    VersionDocument,
    VersionNumber,
    Word,
    version_document,
)
from seatrial.manager.sweep import sweep
from seatrial.registry.entities import Stage, StageMove
from seatrial.registry.rules import ANY, Author, Expectation, Stages, current, rollback_target

router = APIRouter(tags=["models"], route_class=GuardedRoute)


class StageMoveRequest(Body):
    """`expect_…`: the version that the caller believes to be in Production or Staging; null = none, left out = any."""

    version: VersionNumber
    to: Stage
    environment: Environment = "local"
    expect_production: VersionNumber | None = None
    expect_staging: VersionNumber | None = None
    who: Annotated[Word, Field(examples=["ann"])]
    run: RunId = ""
    why: Annotated[Sentence, Field(examples=["shadow verdict PASS"])] = ""


class ModelDocument(Answer):
    """A model with its versions, oldest first; `stages` by environment, in numbers of versions."""

    name: str
    created_ms: int
    stages: dict[str, Stages]
    versions: list[VersionDocument]


class StageLedger(Answer):
    """Every stage move of a model in all environments, oldest first."""

    moves: list[StageMove]


class RollbackTarget(Answer):
    """The version that a rollback restores; `replaces` is Production now, `policy` what was pushed for the former."""

    version: int
    model_id: int
    replaces: int | None
    policy: ScalingPolicy | None


class RollbackRequest(Body):
    """`run` tells a repeated call from another rollback. `replaces`: the version that must still be in Production, as
    the first answer says it; left out = any."""

    environment: Environment = "local"
    replaces: VersionNumber | None = None
    who: Annotated[Word, Field(examples=["ann"])]
    run: Annotated[RunId, Field(min_length=1)]
    why: Annotated[Sentence, Field(examples=["twice as slow since noon"])]


@router.get("/models/{model}")
def show_model(model: ModelName, manager: Manager) -> ModelDocument:
    registered = manager.registry.model(model)
    moves = manager.registry.ledger(model)
    environments = {"local", *(move.environment for move in moves)}
    return ModelDocument(
        name=registered.name,
        created_ms=registered.created_ms,
        stages={name: current(moves, name) for name in sorted(environments)},
        versions=[version_document(manager, version, moves) for version in manager.registry.versions(model)],
    )


@router.get("/models/{model}/stages/{stage}")
def show_stage(
    model: ModelName, stage: Literal["Staging", "Production"], manager: Manager, environment: Environment = "local"
) -> VersionDocument:
    """The version that is in a stage of an environment."""
    moves = manager.registry.ledger(model)
    number = getattr(current(moves, environment), stage.lower())
    if number is None:
        raise NotFound(f"{model!r} has no version in {stage} in {environment!r}", model=model, stage=stage)
    return version_document(manager, manager.registry.version(model, number), moves)


@router.get("/models/{model}/ledger")
def show_ledger(model: ModelName, manager: Manager) -> StageLedger:
    return StageLedger(moves=manager.registry.ledger(model))


@router.post("/models/{model}/stage-moves", status_code=201)
def move_stage(model: ModelName, wanted: StageMoveRequest, manager: Manager) -> StageMove:
    """One entry of the ledger. Asking again for the stage that the version has answers its last move."""
    asked_ms = int(time.time() * 1000)
    move = manager.registry.move_stage(
        model,
        wanted.version,
        wanted.to,
        environment=wanted.environment,
        expect_production=_said(wanted, "expect_production"),
        expect_staging=_said(wanted, "expect_staging"),
        who=wanted.who,
        run=wanted.run,
        why=wanted.why,
    )
    if move.at_ms >= asked_ms:  # not one that an earlier call wrote
        manager.rollovers.moved(move, manager.deployments.all())
    manager.news.changed()
    sweep(manager)
    return move


@router.post("/models/{model}/rollbacks")
def start_rollback(model: ModelName, wanted: RollbackRequest, manager: Manager) -> Rollback:
    """Go back to the former Production version. Ask again, as the same run, until it is done."""
    author = Author(wanted.who, wanted.run, wanted.why)
    return roll_back(manager, model, wanted.environment, author, replaces=_said(wanted, "replaces"))


@router.get("/models/{model}/rollback-target")
def show_rollback_target(model: ModelName, manager: Manager, environment: Environment = "local") -> RollbackTarget:
    """The former Production version, with the scaling policy that was pushed for it (and so its hardware option)."""
    moves = manager.registry.ledger(model)
    version = manager.registry.version(model, rollback_target(moves, environment))
    return RollbackTarget(
        version=version.version,
        model_id=version.model_id,
        replaces=current(moves, environment).production,
        policy=pushed_policy(manager, version.model_id),
    )


def _said(wanted: Body, field: str) -> Expectation:
    """What a body expects; it may say that it expects nobody."""
    found: int | None = getattr(wanted, field)
    return found if field in wanted.model_fields_set else ANY
