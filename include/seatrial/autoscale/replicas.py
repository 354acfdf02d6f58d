"""How many replicas a version is started with that takes over from another one (pure).

needed = ceil(load / target)            the load of the version before, at the new one's own target a replica
       = replicas of the version before where its load is not known
start  = clip(needed, min, max(max, replicas of the version before))

The policy's least alone would put a version that is promoted under load out of breath at its first second, and what
an autoscaler sees of that comes a minute later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from seatrial.autoscale.derive import ScalingPolicy


@dataclass(frozen=True)
class Start:
    """`replicas` to be ready before the first client comes, and where the number comes from."""

    replicas: int
    why: str


def replicas_to_start(policy: ScalingPolicy, *, running: int, load: float | None) -> Start:
    """`running` replicas serve now, with `load` requests/s arriving at them; None when that is not known.

    The policy's most is no reason to start fewer than run already: its peak may never have been stated.
    """
    if load is None:
        needed, why = running, f"as many as serve now ({running}), whose load is not known"
    else:
        needed = math.ceil(load / policy.target_per_replica)
        why = f"{needed} for the {load:.1f} requests/s that arrive now, at {policy.target_per_replica:g} a replica"
    most = max(policy.max_replicas, running)
    replicas = min(most, max(policy.min_replicas, needed))
    if replicas != needed:
        why += f"; the policy says at least {policy.min_replicas}" if replicas > needed else f"; at most {most} may run"
    return Start(replicas, why)
