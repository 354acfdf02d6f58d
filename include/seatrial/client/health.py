"""How one server does, told from how its requests end (pure).

One that cannot be reached, or failed several times in a row, is out until it has answered a readiness question; the
pauses between questions grow. Then it gets one request at a time until one was answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from seatrial.client.latency import Latency

PAUSES_S = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""From a failure to the readiness question, and between questions; the longer the more often."""

IN_A_ROW = 5
"""Failures of a server that answers: one is the request's fault more often than the server's."""

ANSWER_S = 1.0
"""For a readiness answer. A server that needs longer is not ready for more."""

SHED_S = 0.1
"""A server that sheds load answers fast, and must not draw traffic by that."""


class Outcome(Enum):
    """What a request's end says about its server."""

    ANSWERED = "answered"
    REFUSED = "refused"  # an error that is the request's fault: the server is well
    FAILED = "failed"
    SHED = "shed"
    LATE = "late"  # no answer in the caller's time
    SILENT = "silent"  # no answer in many times the usual
    UNREACHABLE = "unreachable"
    ABANDONED = "abandoned"  # the caller did not wait for it


AT_LEAST = (Outcome.LATE, Outcome.SILENT, Outcome.ABANDONED)
"""Would have taken longer than they did."""


@dataclass(slots=True)
class Health:
    """What is remembered of one server."""

    outstanding: int = 0
    in_a_row: int = 0
    times_out: int = 0
    ask_at: float | None = None  # out, and asked for readiness from this moment on
    shed_until: float = 0.0
    latency: Latency = field(default_factory=Latency)

    @property
    def suspect(self) -> bool:
        return bool(self.times_out or self.shed_until)

    def usable(self, now: float) -> bool:
        return self.ask_at is None and self.shed_until <= now and not (self.times_out and self.outstanding)

    def ask(self, now: float) -> bool:
        """Whether to ask now; the next time then comes with the answer, or after ANSWER_S without one."""
        if self.ask_at is None or self.ask_at > now:
            return False
        self.ask_at = now + ANSWER_S
        return True

    def told(self, now: float, ready: bool) -> None:
        """The answer to the readiness question."""
        if self.ask_at is not None:
            self.ask_at = None if ready else now + self._pause()

    def ended(self, outcome: Outcome, now: float) -> None:
        """What the end of a request says, beside the time that it took."""
        _AFTER[outcome](self, now)

    def well(self, _now: float) -> None:
        self.in_a_row, self.times_out, self.shed_until = 0, 0, 0.0

    def failed(self, now: float) -> None:
        self.in_a_row += 1
        if self.in_a_row >= IN_A_ROW or self.times_out:
            self.out(now)

    def shed(self, now: float) -> None:
        self.shed_until = now + SHED_S

    def out(self, now: float) -> None:
        if self.ask_at is None:  # one death fails many calls at once: it counts once
            self.ask_at = now + self._pause()

    def same(self, _now: float) -> None:
        pass

    def _pause(self) -> float:
        self.times_out += 1
        return PAUSES_S[min(self.times_out, len(PAUSES_S)) - 1]


_AFTER: dict[Outcome, Callable[[Health, float], None]] = {
    Outcome.ANSWERED: Health.well,
    Outcome.REFUSED: Health.well,
    Outcome.FAILED: Health.failed,
    Outcome.SHED: Health.shed,
    Outcome.LATE: Health.failed,
    Outcome.SILENT: Health.out,
    Outcome.UNREACHABLE: Health.out,
    Outcome.ABANDONED: Health.same,
}
