"""What was read of the machine and of two groups of processes while load was on a server: values without behaviour.

Everything but memory counts from a start that does not matter: two readings make a figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.profiling.throttling import Throttled


@dataclass(frozen=True)
class GroupTimes:
    """CPU seconds of a group of processes so far, of those too that have ended."""

    user_s: float = 0.0
    system_s: float = 0.0


@dataclass(frozen=True)
class CoreTimes:
    """Seconds of some cores so far, added up: with a process or the kernel for one on them, and taken by the host of a
    virtual machine. Interrupts are neither: they come with the load too."""

    busy_s: float
    steal_s: float


@dataclass(frozen=True)
class Reading:
    """One moment. `at_s` on the monotonic clock; `cores` are those of the server, None where they are not known."""

    at_s: float
    server: GroupTimes
    generator: GroupTimes
    rss_mb: float
    cores: CoreTimes | None


@dataclass(frozen=True)
class Edge:
    """What is too dear to be read under load: at the beginning and the end of a window. `pss_mb`: None where reading it
    is not allowed."""

    switches: tuple[int, int]
    throttled: Throttled | None
    pss_mb: float | None


@dataclass
class CpuWindow:
    """The readings of one window, the first before any load and the last after it. `core_count`: of the server's
    cores; `generator_beside`: whether the load generator may run on them too; `counts`: of `cpu_counters`, on them."""

    core_count: int = 0
    generator_beside: bool = False
    readings: list[Reading] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    counts: Mapping[str, float] = field(default_factory=dict)
