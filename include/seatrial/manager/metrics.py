"""What the manager counts and times, under Prometheus's naming conventions (seconds, `_total`), in one registry each.

No label grows without bound: models and routes are few, versions only label what is deployed now (`gauges.py`).
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, exposition

START_BUCKETS = (0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120)
ROLLOVER_BUCKETS = (1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600)
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 60)
"""Up to a minute: that is how long a client may wait for news."""


class Metrics:
    """One manager's. Everything may be called from any thread, and never fails."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self.replica_starts = Counter(
            "seatrial_replica_starts", "Inference Servers started.", ["model", "purpose"], registry=own
        )
        self.replica_restarts = Counter(
            "seatrial_replica_restarts", "Of those, in the place of one that had failed.", ["model"], registry=own
        )
        self.replica_failures = Counter(
            "seatrial_replica_failures",
            "Inference Servers that failed: before they were ready (starting) or after (serving).",
            ["model", "purpose", "phase"],
            registry=own,
        )
        self.replica_start_seconds = Histogram(
            "seatrial_replica_start_seconds",
            "From the process's start to the first answered request.",
            ["purpose"],
            buckets=START_BUCKETS,
            registry=own,
        )
        self.rollover_seconds = Histogram(
            "seatrial_rollover_seconds",
            "Of a deployment: from wanted to all replicas ready (ready), from wanted to its move to Production (moved);"
            " from being taken away to its last server's end (drained).",
            ["phase"],
            buckets=ROLLOVER_BUCKETS,
            registry=own,
        )
        self.stage_moves = Counter(
            "seatrial_stage_moves",
            "Ledger entries that this manager wrote.",
            ["model", "environment", "stage"],
            registry=own,
        )
        self.requests = Counter(
            "seatrial_http_requests", "Answers of the manager's API.", ["method", "route", "status"], registry=own
        )
        self.request_seconds = Histogram(
            "seatrial_http_request_seconds",
            "From a request to its answer; of discovery also the wait for news.",
            ["method", "route"],
            buckets=REQUEST_BUCKETS,
            registry=own,
        )
        self.registry_errors = Counter(
            "seatrial_registry_errors",
            "Calls of the registry's store that failed, by the error's type.",
            ["error"],
            registry=own,
        )
        for error in ("error", "try-again"):
            self.registry_errors.labels(error)
        ProcessCollector(registry=own)

    def know(self, model: str, purpose: str) -> None:
        """Have the model's counters stand at 0: Prometheus sees no increase in a series that begins with 1."""
        self.replica_restarts.labels(model)
        for phase in ("starting", "serving"):
            self.replica_failures.labels(model, purpose, phase)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self.requests.labels(method, route, str(status)).inc()
        self.request_seconds.labels(method, route).observe(seconds)

    def text(self, accept: str) -> tuple[bytes, str]:
        """All of it in the format that the `Accept` header asks for, and that format's content type."""
        encode, content_type = exposition.choose_encoder(accept)
        return encode(self.registry), content_type
