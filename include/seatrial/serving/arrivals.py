"""From looks at a server's counters to the load on it, in requests a second. Pure; moments are passed in."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_S = 10.0
"""What is averaged: short, so that a load that has just grown is soon seen as what it is."""

LOST_S = 3.0
"""A server that has not told its counters for so long may have any load."""


@dataclass(frozen=True)
class Arrivals:
    """`looks`: (moment in seconds, requests that had arrived until then), of the last WINDOW_S and one before them."""

    looks: tuple[tuple[float, int], ...] = ()

    def seen(self, arrived: int, now: float) -> Arrivals:
        """One more look. `arrived`: ended or waiting, so that the load of a server that cannot keep up is not less."""
        old = [look for look in self.looks if look[0] <= now - WINDOW_S]
        return Arrivals((*old[-1:], *self.looks[len(old) :], (now, arrived)))

    def per_s(self, now: float) -> float | None:
        """Requests a second over the last WINDOW_S; None until it was looked at for so long, and when it was lost."""
        if not self.looks or now - self.looks[-1][0] > LOST_S:
            return None
        (began, first), (ended, last) = self.looks[0], self.looks[-1]
        return None if ended - began < WINDOW_S else max(0.0, (last - first) / (ended - began))
