"""What was promised is read from the evidence of the run that promoted; without a verdict nothing was."""

from __future__ import annotations

from typing import Any

from seatrial.registry.entities import Evidence
from seatrial.rollover.promise import Served, promise_of
from seatrial.shadow.limits import limits_for
from tests.rollover import policy_document

MANIFEST = {"objective": {"percentile": 99.0, "latency_ms": 150.0, "requests_per_s": None}}
LIMITS = limits_for({}).model_dump(mode="json")


def evidence(kind: str, key: str, run: str, **document: Any) -> Evidence:
    return Evidence(id=1, model_id=7, kind=kind, key=key, run=run, at_ms=1, document=document)


SHADOW = evidence("ShadowValidate", "report", "r", limits=LIMITS)
BEFORE = {"version": 1, "requests": 1000, "failures": 3}


def test_the_promise_is_the_verdicts_limit_above_what_production_had_and_the_measured_capacity() -> None:
    chosen = evidence(
        "ChooseHardware", "choice", "an earlier run", policy=policy_document("pitch", 2, 7, {"name": "cpu-1x1"})
    )
    found = promise_of("r", MANIFEST, [evidence("Promote", "before", "r", production=BEFORE), chosen, SHADOW])
    assert found is not None
    assert found.before == Served(**BEFORE)
    assert found.error_share == 0.003 + 0.001
    assert found.said == "limit 0.40% = 0.30% of @1 (3 of 1000) + 0.10%"
    assert (found.objective.latency_ms, found.rate_per_replica) == (150.0, 1000.0)


def test_a_version_that_was_not_validated_promised_nothing() -> None:
    assert promise_of("r", MANIFEST, []) is None


def test_another_runs_figures_are_not_this_promotions() -> None:
    found = promise_of("r", MANIFEST, [evidence("Promote", "before", "another", production=BEFORE), SHADOW])
    assert found is not None
    assert found.before is None
    assert found.rate_per_replica is None, "and nothing was measured"


def test_production_without_a_request_says_nothing_of_its_errors() -> None:
    idle = {"version": 1, "requests": 0, "failures": 0}
    found = promise_of("r", MANIFEST, [evidence("Promote", "before", "r", production=idle), SHADOW])
    assert found is not None
    assert found.error_share == 0.001


def test_evidence_of_another_shape_is_no_promise() -> None:
    assert promise_of("r", MANIFEST, [evidence("ShadowValidate", "report", "r", limits={"surprise": 1})]) is None
    odd = evidence("Promote", "before", "r", production={"surprise": 1})
    assert promise_of("r", MANIFEST, [odd, SHADOW]) is None
