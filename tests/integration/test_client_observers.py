from __future__ import annotations

import pytest
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from prometheus_client import CollectorRegistry

from seatrial.client.observers import Observer, OpenTelemetryObserver, PrometheusObserver
from seatrial.client.routes import CaptureRule, Route, Target
from seatrial.client.steps import Attempt, CallEvent
from seatrial.errors import NoSuchModel, SeatrialError, ServerFailed
from seatrial.tensors import Signature

ROUTE = Route("tiny", 3, 7, Signature((), ()), (), CaptureRule(0, 0))


def _event(route: Route | None = ROUTE, error: SeatrialError | None = None) -> CallEvent:
    attempts = (Attempt("a:1", 0.01, ServerFailed("gone")), Attempt("b:1", 0.02, error)) if route else ()
    return CallEvent(Target("tiny"), route, "b:1", 0.03, 100, attempts, hedged=False, error=error)


def test_prometheus_counts_calls_retries_and_time_by_version() -> None:
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry)
    observer.on_call(_event())
    observer.on_call(_event(error=ServerFailed("gone")))
    observer.on_call(_event(None, NoSuchModel("tyni")))
    labels = {"model": "tiny", "version": "3"}
    value = registry.get_sample_value
    assert value("seatrial_client_calls_total", {**labels, "outcome": "ok"}) == 1
    assert value("seatrial_client_calls_total", {**labels, "outcome": "server-failed"}) == 1
    assert value("seatrial_client_calls_total", {"model": "", "version": "", "outcome": "no-such-model"}) == 1
    assert value("seatrial_client_retries_total", labels) == 2
    assert value("seatrial_client_call_seconds_sum", labels) == pytest.approx(0.06)


def test_the_callers_trace_context_goes_on_as_w3c_writes_it() -> None:
    observer = OpenTelemetryObserver()
    assert observer.metadata() is None
    span = NonRecordingSpan(SpanContext(0xAF, 0xB7, is_remote=False, trace_flags=TraceFlags(1)))
    token = context.attach(trace.set_span_in_context(span))
    try:
        assert observer.metadata() == (("traceparent", f"00-{0xAF:032x}-{0xB7:016x}-01"),)
    finally:
        context.detach(token)
    observer.on_call(_event())


def test_both_are_observers() -> None:
    observers: list[Observer] = [PrometheusObserver(CollectorRegistry()), OpenTelemetryObserver()]
    assert len(observers) == 2
