"""Replays requests to Production (twice, to know its own noise) and to Staging, and reports what it saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import chain, cycle
from typing import TypeVar

from seatrial.client.transport import GrpcTransport
from seatrial.errors import DeadlineExceeded, NotDeployed
from seatrial.shadow.burden import Burden
from seatrial.shadow.gathered import CHECK_EVERY, Gathered, lacks_failures_only, settled
from seatrial.shadow.limits import Limits
from seatrial.shadow.report import Part, ShadowReport, Subject
from seatrial.shadow.sides import FindSide, Request, ServerGone, SideName, Sides
from seatrial.shadow.verdict import MOST_ENDS, burden_part, servers_part
from seatrial.waiting import Deadline, rest

Found = TypeVar("Found")
Progress = Callable[[str], None]
WARM_UP = 5


class Replay:
    """One comparison under way: `extend` sends more requests and judges everything that was sent so far.

    `production` is None for a first version; then every request carries the answer of the subject's reference. With
    `before`, an undecided report of the same versions and limits, it goes on where that one ended.
    """

    def __init__(
        self,
        production: FindSide | None,
        staging: FindSide,
        limits: Limits,
        burden: Burden,
        *,
        subject: Subject,
        progress: Progress,
        before: ShadowReport | None = None,
    ) -> None:
        self._find: dict[SideName, FindSide] = {"staging": staging}
        if production is not None:
            self._find["production"] = production
        self._burden, self._progress = burden, progress
        self._gathered = Gathered(subject, limits, burden, before=before)
        self._seconds = before.seconds if before else 0.0
        self._ends = 0
        self._stopped: Part | None = None

    def extend(self, requests: Sequence[Request], deadline: Deadline) -> ShadowReport:
        """Send until the verdict is known, `limits.max_requests` are sent in all, or the deadline has passed.

        First those that were not sent before, in their order, then all of them again in turn. Every request goes
        A B B A or B A A B by turns, so that a drift of the machine meets both alike. When nothing is unknown but how
        often Staging fails, it alone is asked. When nothing but live traffic is missing, and all of it was sent, it
        stops: repeating requests brings no traffic. It stops too when Production's latency objective is touched, and
        when a server is gone and none comes in its place.
        """
        began, self._stopped = time.monotonic(), None
        with GrpcTransport() as transport:
            sides = Sides(self._find, transport, self._burden.latency_ms)
            if requests:
                busy_s = self._kept_up(sides, lambda: sides.warm_up(requests[0], WARM_UP), "a first one")
                rest(self._burden.rest_s(busy_s or 0.0, time.monotonic() - began), deadline)
            self._send_all(sides, requests, deadline)
        self._seconds += time.monotonic() - began
        return self._gathered.report(self._seconds, self._stopped)

    def _send_all(self, sides: Sides, requests: Sequence[Request], deadline: Deadline) -> None:
        gathered, alone = self._gathered, False
        fresh = [request for request in requests if request.id not in gathered.record.sources]
        for turn, request in enumerate(chain(fresh, cycle(requests)), 1):
            if self._stopped or gathered.exhausted or deadline.passed:
                return
            self._one(sides, request, deadline, alone=alone)
            if gathered.hopeless:
                return
            if gathered.record.sent % CHECK_EVERY == 0:
                parts = gathered.parts()
                told = ", ".join(f"{part.name} {part.verdict}" for part in parts)
                self._progress(f"{gathered.record.sent} requests: {told}")
                if settled(parts) and (turn >= len(fresh) or "UNDECIDED" not in {part.verdict for part in parts}):
                    return
                alone = lacks_failures_only(parts, gathered.record)

    def _one(self, sides: Sides, request: Request, deadline: Deadline, *, alone: bool) -> None:
        began = time.monotonic()
        staging_first = self._gathered.record.sent % 2 == 1
        answers = self._kept_up(
            sides,
            lambda: sides.only_staging(request) if alone else sides.exchange(request, staging_first=staging_first),
            request.id,
        )
        if answers is None:
            return
        if alone:
            self._gathered.add_only_staging(request, answers)
        else:
            self._gathered.add(request, answers)
        if why := self._gathered.burden_touched:
            self._stopped = burden_part(why, self._burden.share)
        rest(self._burden.rest_s(answers.busy_s, time.monotonic() - began), deadline)

    def _kept_up(self, sides: Sides, ask: Callable[[], Found], request: str) -> Found | None:
        """What `ask` returns, asked once more of another server when one is gone; None, and `_stopped`, when none comes
        in its place, or Staging's end again and again."""
        while True:
            try:
                return ask()
            except ServerGone as gone:
                self._progress(f"{gone} (request {request})")
                self._stopped = self._after_end(sides, gone.side, request)
                if self._stopped:
                    return None

    def _after_end(self, sides: Sides, side: SideName, request: str) -> Part | None:
        if side == "staging":
            self._ends += 1
            if self._ends > MOST_ENDS:
                return servers_part(self._ends, f"Staging's server ended {self._ends} times, last under {request}")
        sides.forget(side)
        try:
            sides.find(side)
        except (DeadlineExceeded, NotDeployed) as error:
            if side == "staging":
                return servers_part(self._ends, f"Staging's server ended under {request}, and none came: {error}")
            return burden_part(f"Production has no server: {error}", self._burden.share)
        return None
