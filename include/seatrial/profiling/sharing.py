"""A share of a GPU is measured beside as many other replicas as the rest of it holds (pure). Source: methods,
section 2: of k replicas with a share of 1/k, k - 1 are driven at the rate of the one under test.

Shares limit multiprocessors, not memory bandwidth or cache: alone, a replica with a quarter of a GPU looks better than
it will be once the other three quarters are sold.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from seatrial.hardware import HardwareOption

MOST = 15
"""Neighbours that are started; each is a whole server. MPS itself serves 48 clients, 16 before Volta."""


class Alone(BaseModel):
    """What a replica with a share did before its `neighbours` were driven: saturation `mu` and the queue model's
    estimate of the rate within the objective, requests/s. The cell's own figures are those beside them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    neighbours: int = Field(
        description="How many were driven; fewer than the GPU has room for where they did not start."
    )
    mu: float
    lambda_max: float


def neighbours_of(option: HardwareOption) -> int:
    """How many other replicas of the option its GPU has room for; none without MPS."""
    if option.mps_share is None:
        return 0
    return min(MOST, int(1 / option.mps_share + 1e-6) - 1)
