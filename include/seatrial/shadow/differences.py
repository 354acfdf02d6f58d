"""How far apart answers are, request by request, as counts by size (pure)."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

LOWEST, HIGHEST, PER_DECADE = -9, 1, 2
BINS = (HIGHEST - LOWEST) * PER_DECADE + 3
"""The first for no difference at all, the second for all below 10^LOWEST, the last for all from 10^HIGHEST on."""


class Differences(BaseModel):
    """Requests by the difference of one layer: `own` of Production's two answers, `staging` of Staging's to the first.
    See `finding.TensorComparison.difference` and `BINS`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    own: tuple[int, ...] = (0,) * BINS
    staging: tuple[int, ...] = (0,) * BINS

    def with_staging(self, difference: float) -> Differences:
        return self.model_copy(update={"staging": _counted(self.staging, difference)})

    def with_own(self, difference: float) -> Differences:
        return self.model_copy(update={"own": _counted(self.own, difference)})


def bin_of(difference: float) -> int:
    if difference == 0:
        return 0
    if not math.isfinite(difference):
        return BINS - 1
    place = math.floor((math.log10(difference) - LOWEST) * PER_DECADE)
    return min(max(place + 2, 1), BINS - 1)


def _counted(counts: tuple[int, ...], difference: float) -> tuple[int, ...]:
    place = bin_of(difference)
    return (*counts[:place], counts[place] + 1, *counts[place + 1 :])
