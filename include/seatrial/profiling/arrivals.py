"""When requests arrive while capacity is measured (pure): as gaps between them, in their order, of mean 1.

No gaps stand for Poisson arrivals: independent callers, the usual case and what queues are longest with unless requests
come in bursts. One gap of 1 is a steady clock. Recorded gaps are replayed again and again, as densely as the rate
wants.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seatrial.tensors import Array

Gaps = tuple[float, ...]
POISSON: Gaps = ()
CONSTANT: Gaps = (1.0,)


def gaps_of(arrivals: str, times_s: Sequence[float] = ()) -> Gaps:
    """Of what a manifest's objective says: `poisson`, `constant`, or `recorded` moments, rising."""
    if arrivals == "recorded":
        gaps = np.diff(np.asarray(times_s, dtype=np.float64))
        return tuple(float(gap) for gap in gaps / gaps.mean())
    return {"poisson": POISSON, "constant": CONSTANT}[arrivals]


def arrivals(gaps: Gaps, rate: float, count: int, random: np.random.Generator) -> Array:
    """The moments, in seconds, of so many requests at `rate` requests/s. Recorded gaps begin anywhere in them."""
    if not gaps:
        drawn = random.exponential(1.0, count)
    else:
        drawn = np.asarray(gaps)[(random.integers(len(gaps)) + np.arange(count)) % len(gaps)]
    moments: Array = np.cumsum(drawn) / rate
    return moments
