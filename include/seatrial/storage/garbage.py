"""What may be removed from an artifact store: first judged (pure), then removed, with a second look at each file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from seatrial.storage.artifacts import ArtifactStore

GRACE_S = 3600.0
"""Younger files are never removed: what was put a moment ago may be about to be registered. Every put, also of bytes
that are there already, makes its files young again."""

Kind = Literal["tree", "file", "temporary", "damaged"]


@dataclass(frozen=True)
class StoredFile:
    """One file of the store. `name`: its digest, or a temporary or damaged one's path; `age_s`: since its last put."""

    kind: Kind
    name: str
    bytes: int
    age_s: float


@dataclass(frozen=True)
class Removal:
    """A file that nothing needs, and why it is there no more."""

    kind: Kind
    name: str
    bytes: int
    reason: str


def garbage(
    stored: Iterable[StoredFile],
    needed: frozenset[str],
    listing: Callable[[str], Mapping[str, str]],
    grace_s: float = GRACE_S,
) -> list[Removal]:
    """Trees first, so that no listing is ever believed whose files are gone; then files, temporary and damaged ones.

    `needed` are digests of trees and files. A tree that stays keeps its files, needed or not. `listing` answers a
    tree's files (path → digest) and may raise: then nothing is judged, nothing removed.
    """
    found = list(stored)
    old = {one for one in found if one.age_s > grace_s and one.name not in needed}
    trees = [one for one in found if one.kind == "tree"]
    kept = {digest for tree in trees if tree not in old for digest in listing(tree.name).values()}
    order: tuple[Kind, ...] = ("tree", "file", "temporary", "damaged")
    doomed = [one for kind in order for one in sorted(old, key=lambda one: one.name) if one.kind == kind]
    return [Removal(one.kind, one.name, one.bytes, _reason(one)) for one in doomed if one.name not in kept]


def collect(
    store: ArtifactStore, needed: Callable[[], frozenset[str]], *, dry_run: bool, grace_s: float = GRACE_S
) -> list[Removal]:
    """What was removed, or would be. Safe beside any number of puts, registrations and other collections.

    `needed` is asked after the store was listed, so that what was registered meanwhile counts; and every file is
    taken aside and looked at again before it goes. Cut off, it has removed some; the next one goes on.
    """
    store.put_all_back()
    stored = store.stored()
    doomed = garbage(stored, needed(), store.files, grace_s)
    return [one for one in doomed if dry_run or store.remove(one.kind, one.name, grace_s)]


def _reason(one: StoredFile) -> str:
    hours = f"{one.age_s / 3600:.1f} h"
    if one.kind == "temporary":
        return f"left behind by a writer that stopped {hours} ago"
    if one.kind == "damaged":
        return f"found damaged and moved away, its last put {hours} ago"
    what = "listing" if one.kind == "tree" else "file"
    return f"no version, evidence, server or deployment needs this {what}; last put {hours} ago"
