"""The autoscaling target from a measured capacity (pure). Source: methods, section 3.

lam    = lower bound of lambda_max, per replica
L      = rate_window/2 + scrape + sync + start of a server                         (seconds until help is there)
ratio  = clip(1 / ((1 + tau) · b · exp(g · L)), 0.30, 0.85)
target = floor(ratio · lam) to two significant digits
refused unless target · (1 + tau) ≤ 0.97 · mu        (above that a completion-rate metric can never fire)
"""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Cell

TAU = 0.10  # the HPA's tolerance
IMBALANCE = 1.05  # the busiest replica's load over the mean
LOWEST_RATIO, HIGHEST_RATIO = 0.30, 0.85
REACHABLE = 0.97
DEFAULT_GROWTH_PER_S = math.log(1.05) / 60  # 5 % a minute


class ScalingPolicy(BaseModel):
    """What the autoscaler aims at, for one version on one hardware option; rates in requests/s, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    version: int
    model_id: int
    environment: str
    option: HardwareOption
    cell: str = Field(description="Key of the measured cell that the numbers come from.")
    lambda_max: float
    mu: float
    ratio: float
    ratio_factors: dict[str, float]
    target_per_replica: float = Field(gt=0)
    min_replicas: int = Field(ge=1)
    max_replicas: int = Field(ge=1)
    scale_down_window_s: float
    derived_at_ms: int
    explanation: str

    @property
    def standing(self) -> float:
        """Requests/s that the autoscaler lets stand on a replica for good: within its tolerance it does nothing."""
        return self.target_per_replica * (1 + TAU)


def derive(
    cell: Cell,
    *,
    now_ms: int,
    environment: str = "local",
    rate_window_s: float = 60.0,
    scrape_s: float = 15.0,
    sync_s: float = 15.0,
    growth_per_s: float = DEFAULT_GROWTH_PER_S,
    trough: float = 0.0,
    peak: float = 0.0,
    tolerated_losses: int = 0,
) -> ScalingPolicy:
    """The policy of a feasible cell. `trough` and `peak` are the load to be carried, as far as it is known.

    Raises Refused with the arithmetic for an infeasible cell and for a target that could never be exceeded.
    """
    capacity = cell.capacity
    lam = capacity.assured
    if not capacity.feasible or lam <= 0:
        raise Refused(f"{cell.key}: no capacity was measured: {' '.join(capacity.notes)}", field="lambda_max")
    lead_s = rate_window_s / 2 + scrape_s + sync_s + cell.started_in_s
    growth = math.exp(growth_per_s * lead_s)
    ratio = round(min(HIGHEST_RATIO, max(LOWEST_RATIO, 1 / ((1 + TAU) * IMBALANCE * growth))), 4)  # as it is shown
    target = floor_two_digits(ratio * lam)
    if target * (1 + TAU) > REACHABLE * capacity.mu:
        raise Refused(
            f"{cell.key}: target {target:g} · {1 + TAU:g} = {target * (1 + TAU):.2f} is above "
            f"{REACHABLE} · mu = {REACHABLE * capacity.mu:.2f}: the autoscaler could never fire",
            field="target",
        )
    least = max(math.ceil(trough / target), 1 + tolerated_losses)
    return ScalingPolicy(
        model=cell.model,
        version=cell.version,
        model_id=cell.model_id,
        environment=environment,
        option=cell.option,
        cell=cell.key,
        lambda_max=capacity.lambda_max,
        mu=capacity.mu,
        ratio=ratio,
        ratio_factors={"tau": TAU, "imbalance": IMBALANCE, "growth": round(growth, 4), "lead_s": round(lead_s, 1)},
        target_per_replica=target,
        min_replicas=least,
        max_replicas=max(least, math.ceil(1.3 * peak / target)),
        scale_down_window_s=max(300.0, 2 * lead_s),
        derived_at_ms=now_ms,
        explanation=(
            f"{target:g} = {ratio:.2f} × {lam:g} requests/s measured on {cell.option.name}; "
            f"{ratio:.2f} = 1 / ({1 + TAU:g} tolerance × {IMBALANCE:g} imbalance × "
            f"{growth:.2f} growth in {lead_s:.0f} s)"
        ),
    )


def floor_two_digits(value: float) -> float:
    """Rounded down to two significant digits: 386.4 → 380, 0.0347 → 0.034.

    >>> floor_two_digits(386.4), floor_two_digits(9.0)
    (380.0, 9.0)
    """
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.floor(value / step + 1e-9) * step:.12g}")
