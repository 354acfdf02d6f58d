"""Which folders are looked into at a poll: those that changed, and by and by all others (pure)."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass

NEVER = float("-inf")

LINGER_S = 10.0
"""A folder is looked into at each poll for so long after it settled: two changes within one tick of its storage's
clock (1 ms on HDFS, 4 ms on most disks, 2 s on some) leave the same time."""

LEAST = 5
"""Folders that are looked into again at each poll although nothing tells of a change, if there are so many."""

GROUPS_AGAIN_S, UPLOADS_AGAIN_S = 60.0, 3600.0
"""All are looked into again within this time, however many there are. A group's listing tells the times of all uploads
in it; only a file that is overwritten in place, or below a folder of its upload, needs the upload itself looked into.
"""


@dataclass
class Place:
    """A folder. `told_ns` is its own time as its parent tells it now, and `seen_ns` as it did when it was last looked
    into: a folder's time changes when something comes, goes or is renamed in it, and not for what happens deeper.

    `identity` stands for what was found in it then, at `looked_s`, and first found at `changed_s`. It is looked into at
    each poll until `warm_until_s`.
    """

    told_ns: int
    seen_ns: int | None = None
    looked_s: float = NEVER
    changed_s: float = NEVER
    warm_until_s: float = NEVER
    identity: str = ""
    settled: bool = False

    def same_for(self, identity: str, now_s: float) -> float:
        """For how many seconds `identity` has stood for it."""
        return now_s - self.changed_s if identity == self.identity else 0.0

    def look(self, identity: str, now_s: float, *, settled: bool, settles_in_s: float = 0.0) -> None:
        """It was looked into. `settles_in_s`: what it may take until it has settled, if it does not change."""
        if identity != self.identity:
            self.changed_s, self.warm_until_s, self.settled = now_s, now_s + settles_in_s + LINGER_S, False
        if settled and not self.settled:
            self.warm_until_s = now_s + LINGER_S
        self.identity, self.settled, self.seen_ns, self.looked_s = identity, settled, self.told_ns, now_s


def due(places: Mapping[str, Place], now_s: float, *, since_s: float, again_s: float) -> list[str]:
    """The paths of the places to look into now, those that changed first.

    Of the others come those that were not looked into for the longest time: as many as keep all of them within
    `again_s`, when the last poll was `since_s` seconds ago.
    """
    changed = {path for path, place in places.items() if place.seen_ns != place.told_ns or now_s <= place.warm_until_s}
    share = max(LEAST, math.ceil(len(places) * min(1.0, since_s / again_s)))
    quiet = ((place.looked_s, path) for path, place in places.items() if path not in changed)
    return sorted(changed) + [path for _, path in heapq.nsmallest(share, quiet)]
