"""Observed service times drawn again, and what of them stays together (pure)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seatrial.tensors import Array

BLOCK = 8  # neighbours that stay together; as many as one pause of the machine slows
REGULAR = 0.2  # of their median, that gaps between slow ones differ from it where these come by a clock
MOSTLY, GAPS = 0.75, 3  # share of the gaps that do, of so many at least


def resampled(random: np.random.Generator, services_s: Array, requests: int) -> Array:
    """So many of them, drawn in blocks of neighbours from anywhere, each as likely as any other (circular block
    bootstrap). Slow ones that come regularly, as those of a garbage collector, never meet: blocks then are what lies
    from one of them to the next."""
    cycles = _cycles(services_s)
    if cycles:
        shortest = min(map(len, cycles))
        drawn = [cycles[which] for which in random.integers(0, len(cycles), -(-requests // shortest))]
        return np.concatenate(drawn)[:requests]
    starts = random.integers(0, len(services_s), -(-requests // BLOCK))
    blocks: Array = services_s[(starts[:, None] + np.arange(BLOCK)) % len(services_s)].ravel()[:requests]
    return blocks


def fewer(services_s: Sequence[float], most: int) -> Sequence[float]:
    """No more than `most` of them, in blocks that stay together, from all over."""
    if len(services_s) <= most:
        return services_s
    if _cycles(np.asarray(services_s)):
        return services_s[-most:]
    starts = np.linspace(0, len(services_s) - BLOCK, most // BLOCK).astype(int)
    return [service_s for start in starts for service_s in services_s[start : start + BLOCK]]


def _cycles(services_s: Array) -> list[Array]:
    """From each slow one to before the next, where they come regularly; else none."""
    usual = float(np.median(services_s))
    slow = np.flatnonzero(services_s - usual > max((services_s.max() - usual) / 3, usual))
    begins = slow[np.diff(slow, prepend=-2 * BLOCK) > BLOCK]  # slow neighbours are one pause
    gaps = np.diff(begins)
    if len(gaps) < GAPS:
        return []
    regular = np.abs(gaps - np.median(gaps)) <= REGULAR * np.median(gaps)
    if np.mean(regular) < MOSTLY:
        return []
    pairs = zip(begins[:-1][regular], begins[1:][regular], strict=True)
    return [services_s[begin:end] for begin, end in pairs]
