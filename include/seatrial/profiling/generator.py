"""Where the load on one server comes from: this process, or several where one is not enough."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.client.transport import EncodedRequest
from seatrial.profiling.arrivals import Gaps
from seatrial.profiling.behaviour import BUSY
from seatrial.profiling.load import LoadResult, at_moments, closed_loop, moments
from seatrial.profiling.load_processes import closed_loops, open_loops


@dataclass
class LoadGenerator:
    """Sends `requests` by turns to `address`, in open loop with those `gaps` between them."""

    address: str
    requests: Sequence[EncodedRequest]
    gaps: Gaps
    processes: int = 1

    def closed(self, *, concurrency: int, seconds: float, least: int) -> LoadResult:
        """As `closed_loop`."""
        asked: dict[str, Any] = {"concurrency": concurrency, "seconds": seconds, "least": least}
        if self.processes == 1 or concurrency == 1:
            return closed_loop(self.address, self.requests, **asked)
        return closed_loops(self.processes, self.address, self.requests, **asked)

    def open(self, *, rate: float, seconds: float, seed: int, bound: int) -> LoadResult:
        """As `open_loop`."""
        intended = moments(self.gaps, rate, seconds, seed)
        asked: dict[str, Any] = {"rate": rate, "seconds": seconds, "bound": bound}
        if self.processes == 1:
            return at_moments(self.address, self.requests, intended, **asked)
        return open_loops(self.processes, self.address, self.requests, intended, **asked)

    def grow(self, used_cores: float, server_cores: Collection[int]) -> bool:
        """Have twice as many processes from now on, where those that there are were busy and it has more cores, none of
        which is the server's. Returns whether it was so."""
        own = os.sched_getaffinity(0)
        if used_cores < BUSY * self.processes or self.processes >= len(own) or own & set(server_cores):
            return False
        self.processes = min(len(own), 2 * self.processes)
        return True
