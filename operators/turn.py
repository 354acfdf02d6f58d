"""Whose turn it is among runs of the dispatcher, kept in the asset's state store."""

from __future__ import annotations

import time
from typing import Any

KEY = "turn"

HELD_S = 15.0
"""For so long nobody else has a turn that was taken or kept: it is over when its holder was killed."""


class Turn:
    """Two that take a free turn in the same moment both have it: they do some work twice, and nothing wrong."""

    def __init__(self, store: Any, holder: str) -> None:
        self._store, self._holder = store, holder
        self._until_s = 0.0

    def take(self) -> bool:
        """False while another one has it. Who is tried again after it was killed has its own."""
        held = self._store.get(KEY)
        if isinstance(held, dict) and held.get("holder") != self._holder and held.get("until_s", 0.0) > time.time():
            return False
        self._hold()
        return True

    def keep(self) -> None:
        """To be called again and again."""
        if time.time() > self._until_s - HELD_S / 2:
            self._hold()

    def end(self) -> None:
        self._store.delete(KEY)

    def _hold(self) -> None:
        self._until_s = time.time() + HELD_S
        self._store.set(KEY, {"holder": self._holder, "until_s": self._until_s})
