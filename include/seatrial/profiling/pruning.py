"""Which options of a matrix are worth measuring, and how thoroughly (pure). Source: methods, section 2.

    A survey    saturation throughput mu, large options before small ones; one that cannot win is skipped:
                price / (0.95 · 1.04 · smallest mu of those with more of everything) > min price / (0.60 · mu)
    B measure   the full capacity search, the most promising first, while price / (0.95 · mu) ≤ the lowest cost found;
                at most a third of the options or four
    C verify    the two with the lowest price per request/s, each under a long level, the second only if it can
                still win; where neither keeps one, the next, and the one after it

The shares are what lambda_max, the load within the objective, is of mu: at most 0.95, and no less than 0.60 where the
objective is some service times long. An objective that is tighter makes the survey's own estimate lower than that, and
the estimate is used: `Surveyed.sure` and `.at_best`. Stage B compares with what was measured, not with a second guess
as the method does (price / (0.75 · mu)): where a guess was too high, what it ruled out is measured after all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Cell

AT_BEST, SURE = 0.95, 0.60
QUICKER = 1.04
"""Of two options the one with less of everything may be measured as that much quicker: noise, and caches."""
LEAST = 4
"""So many may always be measured: of fewer options all could be, and a survey would tell nothing."""
FINALISTS = 2
"""Options that are given a long level."""
SPARE = 2
"""More options that may be given one, as long as none has kept any: what short levels showed of all of them is then in
doubt. Where these keep none either, the choice says so (`autoscale.choose`)."""
ALIKE = 1.02
"""Costs this close are the same, as long levels can tell: then the quieter option wins. 3 % would give away 0.5 % of
the price on average instead of 0.3 %, for p99 figures that all lie at the objective (`make sim-matrix`)."""
ESTIMATE_OFF = 1.25
"""The survey's estimate of lambda_max may be that much too low or too high."""


@dataclass(frozen=True)
class Surveyed:
    """One option after stage A: saturation `mu` and the queue model's estimate of lambda_max, requests/s; both 0 where
    one request at a time is too slow already."""

    option: HardwareOption
    mu: float
    estimate: float

    @classmethod
    def of(cls, cell: Cell) -> Surveyed:
        """What the cell of a survey says."""
        capacity = cell.capacity
        return cls(cell.option, capacity.mu if capacity.feasible else 0.0, capacity.lambda_max)

    @property
    def at_best(self) -> float:
        """No more than this, requests/s."""
        return min(AT_BEST * self.mu, ESTIMATE_OFF * self.estimate)

    @property
    def sure(self) -> float:
        """No less than this, requests/s."""
        return min(SURE * self.mu, self.estimate / ESTIMATE_OFF)


def dominates(larger: HardwareOption, smaller: HardwareOption) -> bool:
    """Whether one option has as much of everything as the other, on the same device."""
    axes = ("cores", "threads", "instances", "max_batch")
    same = ("device", "gpu", "gpu_uuid", "precision")
    return (
        all(getattr(larger, name) == getattr(smaller, name) for name in same)
        and all(getattr(larger, axis) >= getattr(smaller, axis) for axis in axes)
        and (larger.mps_share or 1.0) >= (smaller.mps_share or 1.0)
    )


def why_not_survey(option: HardwareOption, surveyed: Sequence[Surveyed]) -> str | None:
    """Stage A: why the option cannot win, with the figures; None when it may."""
    above = [found for found in surveyed if dominates(found.option, option) and found.mu > 0]
    if not above:
        return None
    slowest = min(above, key=lambda found: found.mu)
    most = AT_BEST * QUICKER * slowest.mu
    best = min((found.option.price / found.sure for found in surveyed if found.sure > 0), default=inf)
    if option.price / most <= best:
        return None
    return (
        f"cannot win: {slowest.option.name}, which has more of everything, saturates at {slowest.mu:.1f} requests/s, so"
        f" this one costs {option.price / most:.4f} per request/s or more, and another no more than {best:.4f}"
    )


def places(options: int) -> int:
    """How many of a large matrix may be measured in stage B."""
    return max(LEAST, options // 3)


def next_to_measure(surveyed: Sequence[Surveyed], measured: Sequence[Cell], place: int) -> HardwareOption | None:
    """Stage B: the most promising option that is not measured yet; None when it could not win.

    `place` is how many were to be measured before. Where fewer have been, as many of the most promising failed, and are
    passed over.
    """
    done = {cell.option.name for cell in measured}
    able = sorted((found for found in surveyed if found.at_best > 0), key=_least_cost)
    waiting = [found for found in able if found.option.name not in done][max(0, place - len(done)) :]
    best = min((cell.cost for cell in measured if cell.capacity.feasible), default=inf)
    return waiting[0].option if waiting and _least_cost(waiting[0]) <= ALIKE * best else None


def next_to_verify(surveyed: Sequence[Surveyed], cells: Sequence[Cell], place: int) -> HardwareOption | None:
    """Stage C: the cheapest that was given no long level yet, also one that is to be measured after all, because long
    levels showed less of the others; None when none could win even at the upper end of its interval.

    `place` as for `next_to_measure`, below FINALISTS + SPARE; one that kept no long level has had its place. There may
    be more finalists where some had their long level in an earlier run, and a cheaper one was measured since.
    """
    tried = [cell for cell in cells if cell.capacity.verified_s]
    best = min((cell.cost for cell in tried if cell.capacity.feasible), default=inf)
    if place >= FINALISTS and best < inf:
        return None
    waiting = [cell for cell in cells if cell.capacity.feasible and not cell.capacity.verified_s]
    waiting = sorted(waiting, key=lambda cell: (cell.cost, cell.option.name))[max(0, place - len(tried)) :]
    if waiting and waiting[0].option.price / waiting[0].capacity.lambda_high <= ALIKE * best:
        return waiting[0].option
    return next_to_measure(surveyed, cells, len(cells))


def _least_cost(found: Surveyed) -> float:
    return found.option.price / found.at_best
