"""From the records of Inference Servers to what happened to them: started, ready, failed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Container

from seatrial.manager.metrics import Metrics
from seatrial.serving.record import ServerRecord


class ReplicaEvents:
    """Is told each record after each change, from any thread, and counts what is new about it.

    A server that was adopted is met when it runs already, so no start is counted for it.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._states: dict[str, str] = {}
        self._to_replace: Counter[str] = Counter()  # failed servers of an owner that no start has replaced yet

    def told(self, record: ServerRecord) -> None:
        """The same record again changes nothing."""
        with self._lock:
            before, self._states[record.id] = self._states.get(record.id), _state(record)
            if before in (None, "asked for") and record.launched is not None and record.started_in_s is None:
                self._started(record)
            if record.state == "ready" and before in ("asked for", "starting"):
                self._metrics.replica_start_seconds.labels(purpose_of(record)).observe(record.started_in_s or 0.0)
            if record.state == "failed" and before != "failed":
                self._failed(record)

    def forget_all_but(self, ids: Container[str]) -> None:
        """Only these servers are there any more."""
        with self._lock:
            self._states = {known: state for known, state in self._states.items() if known in ids}

    def _started(self, record: ServerRecord) -> None:
        self._metrics.know(record.served.name, purpose_of(record))
        self._metrics.replica_starts.labels(record.served.name, purpose_of(record)).inc()
        if record.owner is not None and self._to_replace[record.owner] > 0:
            self._to_replace[record.owner] -= 1
            self._metrics.replica_restarts.labels(record.served.name).inc()

    def _failed(self, record: ServerRecord) -> None:
        phase = "starting" if record.started_in_s is None else "serving"
        self._metrics.replica_failures.labels(record.served.name, purpose_of(record), phase).inc()
        if record.owner is not None:
            self._to_replace[record.owner] += 1


def _state(record: ServerRecord) -> str:
    return "asked for" if record.state == "starting" and record.launched is None else record.state


def purpose_of(record: ServerRecord) -> str:
    return "trial" if record.owner is None else "deployment"
