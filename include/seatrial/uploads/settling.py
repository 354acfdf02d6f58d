"""When an upload is complete: pure, from what was observed and when."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

Entry = tuple[str, int, int]


@dataclass(frozen=True)
class Observation:
    """A folder as it was seen once: `entries` are (relative path, bytes, mtime in ns), in order, without the marker.

    `has_marker` says that a `_SUCCESS` file is there and no entry is younger than it.
    """

    path: str
    entries: tuple[Entry, ...]
    has_marker: bool = False

    @cached_property
    def identity(self) -> str:
        """16 hex digits for path and entries: the folder overwritten is another upload, a late marker is not."""
        text = json.dumps([self.path, self.entries], ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Settling:
    """Tells complete uploads from growing ones by observing them again and again.

    Complete is a folder with a marker at once, and one without when it has been the same for `settle_s` seconds.
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._seen: dict[str, tuple[str, float]] = {}

    def complete(self, observations: Iterable[Observation], now_s: float) -> tuple[Observation, ...]:
        """What is complete at `now_s`, on any clock that only goes forward.

        Complete folders are named by every call, not once: whoever starts runs keeps the identities it has confirmed.
        A folder without file and marker is never complete; folders that are gone are forgotten.
        """
        before, self._seen = self._seen, {}
        return tuple(found for found in observations if self._is_complete(found, before, now_s))

    def _is_complete(self, found: Observation, before: dict[str, tuple[str, float]], now_s: float) -> bool:
        identity, since = before.get(found.path, ("", now_s))
        if identity != found.identity:
            since = now_s
        self._seen[found.path] = (found.identity, since)
        return found.has_marker or bool(found.entries and now_s - since >= self._settle_s)
