"""What a model does that its capacity does not show (pure): it fails some requests, stops now and then, gets slower,
takes ever more memory, or answers before the load generator can ask again.

Each rule gives a sentence with the figures that show it, or None. None of them is a verdict: who reads it decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from seatrial.profiling.cell import Kind
from seatrial.profiling.gauges import Gauges

SLOW, SLOW_OF_LIMIT = 8.0, 0.1
"""Times the median, and share of the objective's latency, from which on a request counts as one of the slow ones."""
SLOW_REQUESTS, SLOW_SHARE = 5, (0.002, 0.2)
"""So many slow requests at least, and which share of all: fewer are the machine's pauses, more are no exception."""
SLOWER, BLOCKS = 1.15, 10
"""Last tenth of the requests over the first from which on a model gets slower, if nearly every step goes that way."""
GROWTH_MB, GROWTH_SHARE = 8.0, 0.02
"""Least growth of memory that is told, and as a share of what there was."""

BUSY = 0.9
"""Cores that a process of the load generator uses when it has no time left, asyncio runs on one; share of its cores for
a server."""


@dataclass(frozen=True)
class Seen:
    """One window of load: its requests, in the order of sending what each took a worker, and what the gauges showed."""

    kind: Kind
    requests: int
    failed: int
    reason: str
    services_s: Sequence[float]
    gauges: Gauges


def findings(seen: Sequence[Seen], limit_s: float, cores: int, before: Sequence[str] = ()) -> tuple[str, ...]:
    """Of the windows as they came, on a server with so many `cores`; `limit_s`: the objective's.
    `before`: what was found of the same server's earlier windows; a new sentence of a rule replaces its old one."""
    loaded = [one for one in seen if one.kind != "idle"]
    services_s = [service_s for one in loaded for service_s in one.services_s]
    found = (
        *(failures(seen), slow_ones(services_s, limit_s), slowing(services_s)),
        *(growth(_memory(loaded)), instant(seen, cores)),
    )
    by_rule = {sentence.split(":")[0]: sentence for sentence in (*before, *found) if sentence is not None}
    return tuple(by_rule.values())


def failures(seen: Sequence[Seen]) -> str | None:
    failed, sent = sum(one.failed for one in seen), sum(one.requests for one in seen)
    if not failed:
        return None
    reason = next(one.reason for one in seen if one.failed)
    return f"fails requests: {failed} of {sent} ({failed / sent:.2%}) were answered with an error, the first: {reason}"


def slow_ones(services_s: Sequence[float], limit_s: float) -> str | None:
    """A pause makes one request slow; a second path through the model makes a share of them slow."""
    if not services_s:
        return None
    median_s = float(np.median(services_s))
    slow = [service_s for service_s in services_s if service_s > max(SLOW * median_s, SLOW_OF_LIMIT * limit_s)]
    least, most = SLOW_SHARE
    if len(slow) < SLOW_REQUESTS or not least <= len(slow) / len(services_s) <= most:
        return None
    return (
        f"takes long for some requests: {len(slow)} of {len(services_s)} ({len(slow) / len(services_s):.1%}) took"
        f" {1000 * float(np.median(slow)):.1f} ms, the others {1000 * median_s:.1f} ms"
    )


def slowing(services_s: Sequence[float]) -> str | None:
    if len(services_s) < 10 * BLOCKS:
        return None
    medians = [float(np.median(block)) for block in np.array_split(np.asarray(services_s), BLOCKS)]
    rising = sum(later > earlier for earlier, later in pairwise(medians))
    if medians[-1] < SLOWER * medians[0] or rising < BLOCKS - 2:
        return None
    return (
        f"gets slower: a request took {1000 * medians[0]:.1f} ms at first, and {1000 * medians[-1]:.1f} ms after"
        f" {len(services_s)} requests"
    )


def growth(memory: Sequence[tuple[float, float]]) -> str | None:
    """`memory`: requests so far and MB, as they came. A cache that fills levels off: the last third of the requests has
    to add half of what the third before it added."""
    if len(memory) < 9:
        return None
    first, middle, last = (np.mean(third, axis=0) for third in np.array_split(np.asarray(memory), 3))
    before, after = middle[1] - first[1], last[1] - middle[1]
    if last[1] - first[1] < max(GROWTH_MB, GROWTH_SHARE * first[1]) or min(before, after) <= 0 or after < before / 2:
        return None
    each_kb = 1000 * (last[1] - first[1]) / max(1.0, last[0] - first[0])
    grown = f"{first[1]:.0f} MB, then {middle[1]:.0f} and {last[1]:.0f} MB"
    return f"takes ever more memory: {grown}, {each_kb:.1f} kB a request"


def instant(seen: Sequence[Seen], cores: int) -> str | None:
    """What is saturated first is then the load generator. `cores` of the server."""
    for gauges in (one.gauges for one in seen if one.kind == "saturation"):
        generator = gauges.generator_user_cores + gauges.generator_system_cores
        server = gauges.server_user_cores + gauges.server_system_cores
        if generator >= BUSY and server < BUSY * cores:
            return (
                f"answers before it can be asked again: at saturation the load generator used {generator:.2f} cores,"
                f" the server {server:.2f} of its {cores}; a replica carries what was measured, or more"
            )
    return None


def _memory(loaded: Sequence[Seen]) -> list[tuple[float, float]]:
    """Requests so far and MB at each sample; without the first half of saturation, in which every pool fills."""
    found, before = [], 0.0
    for one in loaded:
        seconds, filling = max(one.gauges.seconds, 1e-9), one.kind == "saturation"
        for at_s, mb in zip(one.gauges.curve.at_s, one.gauges.curve.rss_mb, strict=True):
            if not filling or at_s > seconds / 2:
                found.append((before + one.requests * at_s / seconds, mb))
        before += one.requests
    return found
