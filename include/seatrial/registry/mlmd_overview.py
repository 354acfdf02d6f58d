"""One line a model for lists: how many versions, which of them serve. Reads the newest entries, not whole histories.

Measured on 100 models of 14 versions and 26 moves (SQLite): a page of 50 models takes 31 ms of processor time, where
reading their ledgers and versions takes 325 ms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ml_metadata.proto.metadata_store_pb2 import Execution

from seatrial.registry import mlmd_mapping as mapping
from seatrial.registry.entities import ModelOverview, RegisteredModel
from seatrial.registry.mlmd_connection import Connection
from seatrial.registry.mlmd_store import Registry
from seatrial.registry.rules import Stages, current, current_by_tail

TAIL = 6
"""Newest executions of a model that are read first: a registration and two moves for each of two versions."""


def overviews(registry: Registry, models: Sequence[RegisteredModel], environment: str = "local") -> list[ModelOverview]:
    """For each model the versions in Production and Staging of an environment, and the number of all not deleted."""
    if not models:
        return []
    names = ", ".join(f"'{model.name}'" for model in models)
    contexts = registry.store.find("contexts", f"type = '{mapping.MODEL}' AND name IN ({names})")
    ids = {context.name: context.id for context in contexts}
    deleted = _deleted(registry.store, names)
    return [_overview(registry, model, ids[model.name], deleted[model.name], environment) for model in models]


def _deleted(store: Connection, names: str) -> Counter[str]:
    """How many versions of each model were deleted."""
    query = f"type = '{mapping.VERSION}' AND state = DELETED AND properties.model.string_value IN ({names})"
    return Counter(artifact.properties["model"].string_value for artifact in store.find("artifacts", query))


def _overview(
    registry: Registry, model: RegisteredModel, context_id: int, deleted: int, environment: str
) -> ModelOverview:
    newest = registry.store.newest("executions", context_id, TAIL)
    stages = _stages(registry, model.name, newest, environment)
    return ModelOverview(
        name=model.name,
        created_ms=model.created_ms,
        production=stages.production,
        staging=stages.staging,
        versions=_highest_version(registry.store, context_id, newest) - deleted,
    )


def _highest_version(store: Connection, context_id: int, executions: Sequence[Execution]) -> int:
    """Numbers have no holes and come in the order of ids: the newest one is how many there ever were."""
    for found in executions:
        if found.type == mapping.REGISTRATION:
            return mapping.version_of_name(found.name)
    [newest] = store.newest("artifacts", context_id, 1)  # registered long ago, or brought by an import
    return mapping.version_of_name(newest.name)


def _stages(registry: Registry, model: str, executions: Sequence[Execution], environment: str) -> Stages:
    moves = [mapping.execution_to_move(found) for found in reversed(executions) if found.type == mapping.MOVE]
    if len(executions) < TAIL:  # these are all
        return current(moves, environment)
    return current_by_tail(moves, environment) or current(registry.ledger(model), environment)
