"""The stage ledger's rules (pure): from a ledger, the stages; from a ledger and a wish, the next entry.

A ledger is the sequence of a model's StageMoves in the order of `seq`. It is all the state there is: stages are folded
from it, so they cannot disagree with the history.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from seatrial.errors import Conflict, NoSuchVersion, Refused
from seatrial.registry.entities import Stage, StageMove

Ledger = Sequence[StageMove]


class Expect(enum.Enum):
    """The absence of an expectation. None cannot say it: it expects that nothing is in Production."""

    ANY = "any"


ANY: Final = Expect.ANY
Expectation = int | None | Literal[Expect.ANY]

ALLOWED: dict[Stage, tuple[Stage, ...]] = {
    "None": ("Staging", "Archived"),  # Production only after Staging: nothing is served that was not compared
    "Staging": ("Production", "Archived"),
    "Production": ("Archived",),
    "Archived": ("Staging", "Production"),  # the latter is a rollback
    "Deleted": (),
}


@dataclass(frozen=True)
class Stages:
    """What is where in one environment, by version number."""

    production: int | None = None
    staging: int | None = None


@dataclass(frozen=True)
class Author:
    """Who moves a stage, in which run, and why. Kept in the ledger, judged by nobody."""

    who: str = ""
    run: str = ""
    why: str = ""


def stages(ledger: Ledger) -> dict[tuple[str, int], Stage]:
    """The stage of every (environment, version) that was ever moved; all others are in None."""
    found: dict[tuple[str, int], Stage] = {}
    for move in ledger:
        if move.displaced is not None:
            found[move.environment, move.displaced] = "Archived"
        found[move.environment, move.version] = move.to_stage
        if move.to_stage == "Deleted":
            found.update((place, "Deleted") for place in found if place[1] == move.version)
    return found


def stage_of(ledger: Ledger, environment: str, version: int) -> Stage:
    return stages(ledger).get((environment, version), "None")


def current(ledger: Ledger, environment: str) -> Stages:
    """The versions in Production and Staging of one environment."""
    holders = {stage: version for (where, version), stage in stages(ledger).items() if where == environment}
    return Stages(production=holders.get("Production"), staging=holders.get("Staging"))


def current_by_tail(tail: Ledger, environment: str) -> Stages | None:
    """The same as `current` of any ledger that ends with these entries; None when that depends on those before them."""
    held: dict[Stage, int | None] = {}
    deleted: set[int] = set()
    for move in reversed(tail):
        if move.to_stage == "Deleted":  # it left every environment, also those that the entry does not name
            deleted.add(move.version)
        if move.environment == environment:
            held.setdefault(move.to_stage, None if move.version in deleted else move.version)
            held.setdefault(move.from_stage, None)
    known = {"Production", "Staging"} <= held.keys()
    return Stages(production=held["Production"], staging=held["Staging"]) if known else None


def next_move(
    ledger: Ledger,
    *,
    model: str,
    version: int,
    to: Stage,
    environment: str = "local",
    expect_production: Expectation = ANY,
    expect_staging: Expectation = ANY,
    author: Author | None = None,
    at_ms: int = 0,
) -> StageMove | None:
    """The entry that takes `version` to `to`, or None when it is already there (so a repeated call changes nothing).

    A version that holds Staging or Production is displaced to Archived by the same entry: there is no moment with two
    or with none. Raises Conflict when Production or Staging is not the version that `expect_production` or
    `expect_staging` says (None: nobody), and Refused when ALLOWED has no such move.
    """
    if to not in ALLOWED or to in ("None", "Deleted"):
        raise Refused(f"no version moves to stage {to!r}", field="to", value=to)
    found, now = stage_of(ledger, environment, version), current(ledger, environment)
    gone = deletion_of(ledger, version)
    if gone is not None:
        raise NoSuchVersion(f"{model}@{version} was deleted (ledger entry {gone.seq})", model=model, version=version)
    if found == to:
        return None
    where = f"{model}: {{}} in {environment}"
    _check_expected(where.format("Production"), expect_production, now.production)
    _check_expected(where.format("Staging"), expect_staging, now.staging)
    if to not in ALLOWED[found]:
        raise Refused(
            f"{model}@{version} is in {found} in {environment}: from there it can move to"
            f" {' or '.join(ALLOWED[found])}, not to {to}",
            field="to",
            value=to,
        )
    author = author or Author()
    return StageMove(
        model=model,
        seq=len(ledger) + 1,
        environment=environment,
        version=version,
        from_stage=found,
        to_stage=to,
        displaced={"Production": now.production, "Staging": now.staging}.get(to),
        at_ms=max(at_ms, ledger[-1].at_ms if ledger else 0),  # clocks of two managers differ; the order must not
        who=author.who,
        run=author.run,
        why=author.why,
    )


def _check_expected(where: str, expected: Expectation, found: int | None) -> None:
    if expected is not ANY and expected != found:
        raise Conflict(
            f"{where} is {_shown(found)}, not {_shown(expected)} as expected: somebody moved it since; read the ledger"
            " and decide again",
            expected=expected,
            found=found,
        )


def deletion_of(ledger: Ledger, version: int) -> StageMove | None:
    """The entry that deleted a version."""
    return next((move for move in ledger if move.version == version and move.to_stage == "Deleted"), None)


def entry_that_put(ledger: Ledger, environment: str, version: int) -> StageMove:
    """The newest entry that moved `version`, itself or by displacing it. Raises NoSuchVersion when there is none."""
    for move in reversed(ledger):
        if move.environment == environment and version in (move.version, move.displaced):
            return move
    raise NoSuchVersion(f"version {version} was never moved in {environment}")


def rollback_target(ledger: Ledger, environment: str = "local") -> int:
    """The version that Production goes back to: the one that the present one took over from.

    A rollback does not count as taking over: after 1, 2, 3 and a rollback to 2, the next target is 1, not the 3 that
    was just left. Raises NoSuchVersion when there is no former Production version.
    """
    line = _production_line(ledger, environment)
    former = line[:-1] if current(ledger, environment).production is not None else line
    if not former:
        raise NoSuchVersion(f"nothing to roll back to: {environment} has no former Production version")
    return former[-1]


def was_rollback(ledger: Ledger, entry: StageMove) -> bool:
    """Whether an entry to Production put a version back that others had taken over from."""
    before = [move for move in ledger if move.seq < entry.seq]
    return entry.from_stage == "Archived" and entry.version in _production_line(before, entry.environment)


def _production_line(ledger: Ledger, environment: str) -> list[int]:
    """The line of succession to Production: promotions extend it, rollbacks and retirements cut it back."""
    line: list[int] = []
    for move in ledger:
        if move.to_stage == "Deleted":
            line = [version for version in line if version != move.version]
        if move.environment != environment:
            continue
        if move.to_stage == "Production":
            if move.from_stage == "Archived" and move.version in line:
                line = line[: line.index(move.version)]
            line = [version for version in line if version != move.version] + [move.version]
        elif move.from_stage == "Production" and move.to_stage != "Deleted":
            line.pop()
    return line


def _shown(version: int | None) -> str:
    return "empty" if version is None else f"version {version}"
