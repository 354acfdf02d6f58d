"""When a version may be deleted, and the ledger entry that ends it (pure)."""

from __future__ import annotations

from datetime import UTC, datetime

from seatrial.errors import Conflict, NoSuchVersion, Refused
from seatrial.registry.entities import ModelVersion, Stage, StageMove
from seatrial.registry.rules import Author, Ledger, deletion_of, stages

RANK: dict[Stage, int] = {"Production": 0, "Staging": 1}


def deletion(
    ledger: Ledger, *, model: str, version: int, force: bool = False, author: Author | None = None, at_ms: int = 0
) -> StageMove | None:
    """The entry that ends a version in all environments, or None when there is one already.

    It stands in the environment where the version held Production, else Staging, else in the first that it was in.
    Raises Conflict for a version that is or ever was in Production, unless `force` and a reason are given; Refused when
    forced without a reason.
    """
    if deletion_of(ledger, version) is not None:
        return None
    author = author or Author()
    served = [move for move in ledger if move.version == version and move.to_stage == "Production"]
    if force and not author.why.strip():
        raise Refused("a forced deletion needs a reason, for the ledger", field="why")
    if served and not force:
        raise Conflict(
            f"{model}@{version} was Production in {served[0].environment} (ledger entry {served[0].seq}): what once"
            " answered requests is only deleted with force and a reason",
            version=version,
            seq=served[0].seq,
        )
    places = {where: stage for (where, number), stage in stages(ledger).items() if number == version}
    environment = min(places, key=lambda where: RANK.get(places[where], len(RANK)), default="local")
    return StageMove(
        model=model,
        seq=len(ledger) + 1,
        environment=environment,
        version=version,
        from_stage=places.get(environment, "None"),
        to_stage="Deleted",
        at_ms=max(at_ms, ledger[-1].at_ms if ledger else 0),
        who=author.who,
        run=author.run,
        why=author.why,
    )


def check_not_deleted(version: ModelVersion) -> ModelVersion:
    """The version. Raises NoSuchVersion that says by whom, when and why it was deleted."""
    gone = version.deleted
    if gone is None:
        return version
    day = datetime.fromtimestamp(gone.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    why = f": {gone.why}" if gone.why else ""
    raise NoSuchVersion(
        f"{version.model}@{version.version} was deleted by {gone.who or 'unknown'} on {day}{why}"
        f" (its dossier is kept: model id {version.model_id})",
        model=version.model,
        version=version.version,
        model_id=version.model_id,
    )
