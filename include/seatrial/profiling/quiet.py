"""Was the machine quiet in a window of load? Pure. Source: methods, section 1, step 4.

Other work on the server's cores, a host that gives them to others, and a CPU quota that holds the server back all make
it look slower than it is. Such a window is no measurement of the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from seatrial.profiling.gauges import Gauges

OTHER_WORK_CORES = 0.1
"""Of all the server's cores together. A quiet machine shows 0.03 at most; a tenth of a core is the background of agents
and timers, and costs a server with one core a tenth of its capacity."""
STEAL_SHARE = 0.05
"""Of the time of the server's cores. A capacity is to be right to 5 %."""
THROTTLED_CORES = 0.01
"""A quota that bites at all bites at saturation, all the time."""
TICK_S = 0.01
"""The kernel books the time of a core in ticks of this length."""


@dataclass(frozen=True)
class Quiet:
    """What a window may show at most. `other_work_cores` for the server's cores together."""

    other_work_cores: float = OTHER_WORK_CORES
    steal_share: float = STEAL_SHARE
    throttled_cores: float = THROTTLED_CORES


def why_not_quiet(gauges: Gauges, core_count: int, quiet: Quiet) -> str | None:
    """The first figure that passes its limit; None for a quiet window. `core_count`: of the server's cores. What is not
    known is not held against the machine."""
    rules = (_throttled(gauges, quiet), _steal(gauges, core_count, quiet), _other_work(gauges, core_count, quiet))
    return next((found for found in rules if found is not None), None)


def unsure_cores(core_count: int, seconds: float) -> float:
    """Two standard errors of `others_cores`: a tick goes to whoever runs at its end, as by the toss of a coin."""
    return sqrt(core_count * TICK_S / max(seconds, TICK_S))


def _other_work(gauges: Gauges, core_count: int, quiet: Quiet) -> str | None:
    used, unsure = gauges.others_cores or 0.0, unsure_cores(core_count, gauges.seconds)
    if used <= quiet.other_work_cores + unsure:
        return None
    return (
        f"other work used {used:.2f} of the server's {core_count} core(s)"
        f" (limit {quiet.other_work_cores:g}, and {unsure:.2f} that ticks cannot tell)"
    )


def _steal(gauges: Gauges, core_count: int, quiet: Quiet) -> str | None:
    limit = quiet.steal_share * core_count
    if (gauges.steal_cores or 0.0) <= limit:
        return None
    return f"the host took {gauges.steal_cores:.2f} of the server's {core_count} core(s) (limit {limit:g})"


def _throttled(gauges: Gauges, quiet: Quiet) -> str | None:
    if (gauges.throttled_cores or 0.0) <= quiet.throttled_cores:
        return None
    return (
        f"a CPU quota held back {gauges.throttled_cores:.2f} core(s), {gauges.throttled_per_s or 0:.1f} times a second"
        f" (limit {quiet.throttled_cores:g})"
    )
