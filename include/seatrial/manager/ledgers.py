"""The stage ledgers as they are now, read again only after somebody wrote: this manager, or another on its store."""

from __future__ import annotations

import time
from collections.abc import Callable

from seatrial.registry.entities import StageMove
from seatrial.registry.mlmd_store import Registry

FRESH_S = 30.0
"""Seconds after which everything counts as new: of two managers that write to one store at the same moment, the later
entry may become visible first, and `newest_entry` then hides the other one."""


class Ledgers:
    """Ledgers kept in memory from `look` to the first `look` that finds something new. Usable from many threads."""

    def __init__(self, registry: Registry, changed: Callable[[], None]) -> None:
        """`changed` is called by the `look` that finds something new."""
        self._registry, self._changed = registry, changed
        self._newest, self._read_at = -1, 0.0
        self._known: dict[str, list[StageMove]] = {}

    def look(self) -> None:
        """Ask the store, which takes 0.1 ms, whether anything was written. Raises TryAgain when it does not answer."""
        newest, now = self._registry.newest_entry(), time.monotonic()
        if newest != self._newest or now - self._read_at > FRESH_S:
            self._known, self._newest, self._read_at = {}, newest, now
            self._changed()

    def of(self, model: str) -> list[StageMove]:
        """The ledger, no older than the last `look`. Raises NoSuchModel."""
        known = self._known  # a ledger read for an earlier `look` is kept where nobody looks any more
        if model not in known:
            known[model] = self._registry.ledger(model)
        return known[model]
