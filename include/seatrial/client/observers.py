"""Who wants to know of each call: one small protocol, and adapters that import their library when they are made."""

from __future__ import annotations

from typing import Any, Protocol

from seatrial.client.steps import CallEvent, Metadata


class Observer(Protocol):
    """Called in the caller's thread or task, so it must be quick. What it raises is logged and borne."""

    def metadata(self) -> Metadata | None:
        """What goes with the request as gRPC metadata, asked for once a call: W3C trace context, or None."""
        ...

    def on_call(self, event: CallEvent) -> None:
        """A call has ended, well or not."""
        ...


class PrometheusObserver:
    """Counts calls, retries and hedges, and takes their time, in `registry` (default: the global one).

    Labels are model, version and outcome ("ok" or the error's code): as many as there are versions, never addresses.
    """

    BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

    def __init__(self, registry: Any = None) -> None:
        import prometheus_client as prometheus

        to = registry or prometheus.REGISTRY
        labels = ("model", "version")
        self._calls = prometheus.Counter(
            "seatrial_client_calls", "Calls by how they ended", (*labels, "outcome"), registry=to
        )
        self._retries = prometheus.Counter(
            "seatrial_client_retries", "Requests that were sent again to another server", labels, registry=to
        )
        self._hedges = prometheus.Counter(
            "seatrial_client_hedges", "Calls in which a second server was asked meanwhile", labels, registry=to
        )
        self._seconds = prometheus.Histogram(
            "seatrial_client_call_seconds", "From the call to its end", labels, buckets=self.BUCKETS, registry=to
        )

    def metadata(self) -> Metadata | None:
        return None

    def on_call(self, event: CallEvent) -> None:
        # A name that is no model's is not a label: callers could invent any number of them.
        labels = (event.route.model, str(event.route.version)) if event.route else ("", "")
        self._calls.labels(*labels, "ok" if event.error is None else event.error.code).inc()
        self._seconds.labels(*labels).observe(event.seconds)
        if len(event.attempts) > 1:
            self._retries.labels(*labels).inc(len(event.attempts) - 1)
        if event.hedged:
            self._hedges.labels(*labels).inc()


class OpenTelemetryObserver:
    """Passes the caller's trace context on to the server, and records each call in OpenTelemetry's meter.

    Context is what the process's propagator writes: `traceparent` and `tracestate`, unless it is set otherwise.
    """

    def __init__(self, meter: Any = None) -> None:
        from opentelemetry import metrics, propagate

        meter = meter or metrics.get_meter("seatrial.client")
        self._inject = propagate.inject
        self._seconds = meter.create_histogram("seatrial.client.call.duration", unit="s")
        self._attempts = meter.create_counter("seatrial.client.attempts")

    def metadata(self) -> Metadata | None:
        carrier: dict[str, str] = {}
        self._inject(carrier)
        return tuple((name.lower(), value) for name, value in carrier.items()) or None

    def on_call(self, event: CallEvent) -> None:
        attributes = {"outcome": "ok" if event.error is None else event.error.code, "hedged": event.hedged}
        if event.route is not None:
            attributes |= {"model": event.route.model, "version": event.route.version}
        self._seconds.record(event.seconds, attributes)
        self._attempts.add(len(event.attempts), attributes)
