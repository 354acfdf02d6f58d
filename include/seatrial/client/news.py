"""What discovery knows, and when it asks again (pure)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seatrial.client.routes import Routes
from seatrial.errors import ManagerUnavailable, SeatrialError, TryAgain

WAIT_S = 25.0
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)  # between questions while the manager is away
QUICK_S = 0.5  # before the next question to something that answers "nothing new" without having waited for it

_UNHEARD = (
    "where models run is not known without it: is the manager's address (SEATRIAL_MANAGER_URL) right, does it run? "
    "A cache_file would keep what was heard last"
)

Document = dict[str, Any]


@dataclass(frozen=True)
class News:
    """Never changed, but replaced: `revision` counts. `problem`: why there are no routes, or no newer ones."""

    revision: int = 0
    routes: Routes | None = None
    problem: SeatrialError | None = None

    @property
    def hopeless(self) -> bool:
        """Whether waiting for routes is of no use: the token is wrong, not the manager away."""
        return self.problem is not None and not isinstance(self.problem, TryAgain)

    def error(self) -> SeatrialError:
        """Why there are no routes, and what to do."""
        problem = self.problem or ManagerUnavailable("the Inference Manager was not heard yet")
        if not isinstance(problem, ManagerUnavailable):
            return problem
        return ManagerUnavailable(f"{problem.message}; {_UNHEARD}", **problem.fields)


class Following:
    """The conversation with the manager: what to ask next, and after which pause.

    `jitter` draws a factor, 1 on average, for every pause and wait: clients that lost a manager in one moment must not
    come back in one.
    """

    def __init__(self, jitter: Callable[[], float] = lambda: random.uniform(0.5, 1.5)) -> None:
        self._jitter = jitter
        self.news = News()
        self.document: Document = {}
        self.etag: str | None = None
        self.wait_s = 0.0
        self._failures = 0

    @property
    def first_failure(self) -> bool:
        return self._failures == 1

    def recalled(self, document: Document) -> None:
        """Routes of an earlier process; the manager's own will replace them."""
        self._told(routes=Routes(document))

    def heard(self, document: Document, etag: str) -> float:
        """The pause until the next question."""
        self._failures, self.document, self.etag, self.wait_s = 0, document, etag, self._next_wait_s()
        self._told(routes=Routes(document))
        return 0.0

    def nothing_new(self, waited_s: float) -> float:
        self._failures = 0
        quick = waited_s < self.wait_s / 2
        self.wait_s = self._next_wait_s()
        return QUICK_S * self._jitter() if quick else 0.0

    def failed(self, error: SeatrialError) -> float:
        pause = PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
        self._failures += 1
        self._told(routes=self.news.routes, problem=error)
        return pause * self._jitter()

    def _next_wait_s(self) -> float:
        return WAIT_S * (0.5 + self._jitter() / 2)

    def _told(self, routes: Routes | None, problem: SeatrialError | None = None) -> None:
        self.news = News(self.news.revision + 1, routes, problem)
