"""How much slower is one side than the other? Ratio of latency percentiles with a block bootstrap interval. Pure.

A shared machine's noise comes in bursts that hit several requests in a row. So pairs (both sides of one request) stay
together, and whole blocks of neighbouring requests are drawn; a plain bootstrap would call noise a difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seatrial.tensors import Array

RESAMPLES = 1000
_CHUNK = 100  # bounds the memory: 100 resamples of 5000 pairs are 4 MB an array


@dataclass(frozen=True)
class Ratio:
    """`value` = percentile of the second side / that of the first, with its interval."""

    percentile: float
    value: float
    low: float
    high: float


def latency_ratios(
    first_s: Sequence[float], second_s: Sequence[float], percentiles: Sequence[float], *, level: float, seed: int
) -> tuple[Ratio, ...]:
    """A ratio for each percentile (0–100) of paired latencies in seconds, in the order of sending.

    The interval holds the share `level` of circular block bootstrap resamples (Politis and Romano 1992), with blocks
    of √n pairs. Same seed, same interval. Needs at least two pairs, and latencies above 0.
    """
    pairs = np.array([first_s, second_s], dtype=np.float64)
    drawn = np.concatenate(
        [_percentiles(pairs[:, index], percentiles) for index in _blocks(pairs.shape[1], np.random.default_rng(seed))],
        axis=2,
    )
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(drawn[1] / drawn[0], tails, axis=1)
    observed = np.percentile(pairs, percentiles, axis=1)
    values = observed[:, 1] / observed[:, 0]
    return tuple(
        Ratio(percentile, float(values[i]), float(low[i]), float(high[i])) for i, percentile in enumerate(percentiles)
    )


def _percentiles(resampled: Array, percentiles: Sequence[float]) -> Array:
    """(2 sides, resamples, n) → (2 sides, percentiles, resamples)."""
    return np.moveaxis(np.percentile(resampled, percentiles, axis=2), 0, 1)


def _blocks(n: int, random: np.random.Generator) -> list[Array]:
    """Index arrays of shape (_CHUNK, n) that make RESAMPLES resamples together."""
    length = max(1, round(n**0.5))
    starts = random.integers(0, n, size=(RESAMPLES // _CHUNK, _CHUNK, -(-n // length)))
    whole = (starts[..., None] + np.arange(length)) % n
    return list(whole.reshape(RESAMPLES // _CHUNK, _CHUNK, -1)[..., :n])
