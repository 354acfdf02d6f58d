"""Timing of one thing again and again: median and p99 in milliseconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timing:
    """`repetitions` calls; what stands before and after a call in its loop is not timed."""

    median_ms: float
    p99_ms: float
    repetitions: int

    def __str__(self) -> str:
        return f"median {self.median_ms:8.2f} ms   p99 {self.p99_ms:8.2f} ms   ({self.repetitions} calls)"


def timed(call: Callable[..., object], arguments: Iterable[tuple[object, ...]], *, warm: int = 3) -> Timing:
    """`call(*each)` for each of `arguments`, the first `warm` of them without being counted."""
    seconds = []
    for each in arguments:
        began = time.perf_counter()
        call(*each)
        seconds.append(time.perf_counter() - began)
    counted = np.array(seconds[warm:] if len(seconds) > warm else seconds) * 1000
    return Timing(round(float(np.median(counted)), 3), round(float(np.percentile(counted, 99)), 3), len(counted))
