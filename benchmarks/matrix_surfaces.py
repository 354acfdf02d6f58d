"""Invented models on invented machines: what each hardware option would carry, by formulas with noise (simulated).

    s(b) = (a + k · b) / speed                 one execution of a batch of b on one instance, seconds
    speed on a CPU   Amdahl's law over the threads, less what instances and batches take from one another's caches
    speed on a GPU   the model's, to the power of an exponent of the share: half a GPU is seldom half as quick
    mu               instances · B / s(B), on a GPU no more than one and a half instances' worth
    lambda_max       mu · (1 − what the queue needs): more where an execution is long beside the objective

A larger option is now and then slower than a smaller one, by a few percent, as in life.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from seatrial.hardware import HardwareOption
from seatrial.profiling.matrix import MatrixEntry, expand

GPUS = ("T4", "P40")
ENTRIES: tuple[dict[str, Any], ...] = (
    {"matrix": "cpu", "cores": [1, 2, 4, 8], "threads": [1, 2, 4], "instances": [1, 2, 4], "max_batch": [1, 2, 8, 32]},
    {
        "matrix": "gpu",
        "device": "gpu",
        "gpu": list(GPUS),
        "mps_share": [1, 0.5, 0.25],
        "cores": [1, 2],
        "instances": [1, 2],
        "max_batch": [1, 2, 4, 8, 16, 32],
        "price_per_gpu": {"T4": 8, "P40": 12},
    },
)
OPTIONS = tuple(option for entry in ENTRIES for option in expand(MatrixEntry.model_validate(entry)))


@dataclass(frozen=True)
class Point:
    """What one option truly does: requests/s at saturation and within the objective; 0 where it is too slow idle."""

    mu: float
    lambda_max: float


def surface(seed: int) -> dict[str, Point]:
    """The truth of every option for one invented model."""
    random = np.random.default_rng(seed)
    model = _Model(
        fixed_s=10 ** random.uniform(-3.3, -1.3),
        row_share=random.uniform(0.05, 1.0),
        parallel=random.uniform(0.3, 0.98),
        crowding=random.uniform(0.0, 0.15),
        gpu_speed={gpu: 10 ** random.uniform(0.3, 1.6) for gpu in GPUS},
        share_exponent=random.uniform(0.5, 1.0),
        limit=random.uniform(3, 30),
    )
    return {option.name: model.point(option, 1 + random.normal(0, 0.015)) for option in OPTIONS}


@dataclass(frozen=True)
class _Model:
    """`fixed_s`, `row_share`: a, and k as a share of it. `limit`: the objective in executions of one row on a core."""

    fixed_s: float
    row_share: float
    parallel: float
    crowding: float
    gpu_speed: dict[str, float]
    share_exponent: float
    limit: float

    def point(self, option: HardwareOption, luck: float) -> Point:
        speed = self._speed(option) * luck
        objective_s = self.limit * self.fixed_s * (1 + self.row_share)
        single_s, full_s = (self.fixed_s * (1 + self.row_share * b) / speed for b in (1, option.max_batch))
        at_once = option.instances if option.device == "cpu" else min(option.instances, 1.5)
        mu = at_once * option.max_batch / full_s
        if single_s > objective_s:
            return Point(mu, 0.0)
        waits = full_s / objective_s / math.sqrt(option.instances)
        return Point(mu, mu * max(0.02, 0.97 - 0.9 * waits))

    def _speed(self, option: HardwareOption) -> float:
        if option.gpu is not None:
            return float(self.gpu_speed[option.gpu] * (option.mps_share or 1.0) ** self.share_exponent)
        crowded = 1 + self.crowding * math.log2(option.instances * option.threads)
        return 1 / ((1 - self.parallel) + self.parallel / option.threads) / crowded
