"""Do the outputs, over many requests, still take the values that they took? Pure. Source: methods, shadow verdict.

Element by element nothing is expected of a model that was trained anew; its outputs as a whole may still not go astray.
Of each layer the same few elements of every answer are counted in bins, from Production twice (A, A′) and from Staging
(B): all three of the same requests, so that a difference is none of chance between requests.
"""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from seatrial.tensors import Array, Tensors

KEPT = 16  # elements of an answer's layer
BINS, FINE = 10, 5  # bins of the index, and parts of each for the distance
FIRST = 100  # answers of Production that say where the bins are
LEAST_VALUES = 1000
NO_CHANGE = 0.1  # of the index


class Histogram(BaseModel):
    """Values of one layer, counted between `edges`: those of Production's first answer, its second, and Staging's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: tuple[float, ...] = Field(description="Rising; values up to the first are in the first bin.")
    production: tuple[int, ...]
    again: tuple[int, ...]
    staging: tuple[int, ...]

    @property
    def values(self) -> int:
        return sum(self.production)

    @property
    def stability(self) -> float:
        """Population stability index Σ (q−p)·ln(q/p) of Staging against Production over BINS bins, less that of
        Production's second answer; a bin without any counts as half a value. 0 to 0.1 is called no change, up to 0.25 a
        small one."""
        return max(0.0, _index(self.production, self.staging) - _index(self.production, self.again))

    @property
    def distance(self) -> float:
        """Kolmogorov and Smirnov's D, the largest difference of the two distribution functions at the edges."""
        p, q = (np.cumsum(side) / max(1, sum(side)) for side in (self.production, self.staging))
        return float(np.max(np.abs(p - q), initial=0.0))


class Spread:
    """Histograms of all layers while they grow. The bins of a layer are there after FIRST answers with it."""

    def __init__(self, before: dict[str, Histogram] | None = None) -> None:
        self._waiting: dict[str, list[tuple[Array, ...]]] = {}
        self._edges: dict[str, Array] = {}
        self._counts: dict[str, Array] = {}
        for layer, kept in (before or {}).items():
            self._edges[layer] = np.array(kept.edges)
            self._counts[layer] = np.array([kept.production, kept.again, kept.staging])

    def add(self, production: Tensors, again: Tensors, staging: Tensors) -> None:
        """One request's answers. A layer that is no finite numbers in one of them, or of another shape, is left out."""
        for layer, a in production.items():
            sides = (a, again.get(layer), staging.get(layer))
            kept = tuple(_kept(side) for side in sides if side is not None and side.shape == a.shape)
            if len(kept) == len(sides) and all(len(one) for one in kept):
                self._add(layer, kept)

    @property
    def histograms(self) -> dict[str, Histogram]:
        return {
            layer: Histogram(
                edges=tuple(self._edges[layer].tolist()),
                **{side: tuple(row) for side, row in zip(_SIDES, counts.tolist(), strict=True)},
            )
            for layer, counts in self._counts.items()
        }

    def _add(self, layer: str, kept: tuple[Array, ...]) -> None:
        if layer in self._edges:
            self._count(layer, kept)
            return
        waiting = self._waiting.setdefault(layer, [])
        waiting.append(kept)
        if len(waiting) == FIRST:
            self._edges[layer] = _edges(np.concatenate([one[0] for one in waiting]))
            self._counts[layer] = np.zeros((len(_SIDES), len(self._edges[layer]) + 1), np.int64)
            for one in self._waiting.pop(layer):
                self._count(layer, one)

    def _count(self, layer: str, kept: tuple[Array, ...]) -> None:
        edges = self._edges[layer]
        for row, values in zip(self._counts[layer], kept, strict=True):
            row += np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(row))


def _edges(values: Array) -> Array:
    """Between bins of equally many values; one that comes so often that it would fill several has one of its own."""
    quantiles = np.quantile(values, np.linspace(0, 1, BINS * FINE + 1)[1:-1])
    often = quantiles[1:][quantiles[1:] == quantiles[:-1]]
    return np.unique([*quantiles, *np.nextafter(often, -np.inf)])


_SIDES = ("production", "again", "staging")


def _index(before: tuple[int, ...], now: tuple[int, ...]) -> float:
    """Bins are put together until each holds a BINSth of `before`; what is below or above all of it stays one."""
    p, q = np.cumsum(before), np.cumsum(now)
    if not p.size or not p[-1] or not q[-1]:
        return 0.0
    below = [np.searchsorted(p, 0, side="right") - 1] if p[0] == 0 else []
    ends = np.unique([*below, *np.searchsorted(p, p[-1] * np.arange(1, BINS + 1) / BINS), p.size - 1])
    shares = [np.maximum(np.diff(side[ends], prepend=0), 0.5) / side[-1] for side in (p, q)]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def _kept(layer: Array) -> Array:
    """The same elements of every answer of one shape, evenly from all over; none of what holds no finite numbers."""
    if layer.dtype.kind not in "fiu" or not layer.size:
        return np.empty(0)
    flat = layer.ravel()
    chosen = flat[np.linspace(0, flat.size - 1, min(KEPT, flat.size)).astype(np.int64)].astype(np.float64)
    return chosen if np.isfinite(chosen).all() else np.empty(0)
