"""Version numbers (pure): from the versions that exist and an upload, the next version."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from seatrial.errors import Refused
from seatrial.registry.entities import ModelVersion
from seatrial.served_model import ServedModel

_MODEL_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")  # neither @ nor #: they join names to numbers in the store


def is_model_name(name: str) -> bool:
    return bool(_MODEL_NAME.fullmatch(name))


def check_model_name(name: str) -> None:
    """Raise Refused unless `name` can name a model in the registry."""
    if not is_model_name(name):
        raise Refused(f"model name {name!r} does not match {_MODEL_NAME.pattern}", field="name", value=name)


def with_digest(known: Sequence[ModelVersion], tree_digest: str) -> ModelVersion | None:
    """The version that has these bytes already. A deleted one does not count: its files may be gone."""
    kept = (version for version in known if version.deleted is None)
    return next((version for version in kept if version.tree_digest == tree_digest), None)


def next_version(
    known: Sequence[ModelVersion],
    *,
    model: str,
    tree_digest: str,
    served: ServedModel,
    manifest: dict[str, Any],
    source: str = "",
    run: str = "",
) -> ModelVersion:
    """A version with the next number, not yet in the store: model id and time, 0 here, are the store's to give.

    `known` is in the order of versions, deleted ones included: their numbers are taken for ever.
    User, description, tags, metrics and hyper-parameters are the manifest's.
    """
    number = known[-1].version + 1 if known else 1
    return ModelVersion(
        model_id=0,
        model=model,
        version=number,
        tree_digest=tree_digest,
        served=served.model_copy(update={"name": model, "version": number}),
        manifest=manifest,
        user=manifest.get("user", ""),
        description=manifest.get("description", ""),
        tags=manifest.get("tags", {}),
        metrics=manifest.get("metrics", {}),
        hyper_parameters=manifest.get("hyper_parameters", {}),
        source=source,
        run=run,
        created_ms=0,
        uri=f"sha256:{tree_digest}",
    )
