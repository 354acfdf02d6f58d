"""How many replicas a promoted version starts with: what the present load needs, within the policy's limits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.autoscale.derive import ScalingPolicy
from seatrial.autoscale.replicas import replicas_to_start
from tests.rollover import policy_document

LOADS = st.floats(0, 1e5)
COUNTS = st.integers(1, 256)


@st.composite
def policies(draw: st.DrawFn) -> ScalingPolicy:
    least = draw(COUNTS)
    return policy(draw(st.floats(0.01, 1e4)), least, draw(st.integers(least, 256)))


def policy(target: float = 10.0, least: int = 1, most: int = 8) -> ScalingPolicy:
    return ScalingPolicy.model_validate(
        {
            **policy_document("pitch", 2, 7, {"name": "cpu-1x1"}),
            "target_per_replica": target,
            "min_replicas": least,
            "max_replicas": most,
        }
    )


@given(policies(), st.integers(0, 256), LOADS)
def test_the_load_is_carried_at_the_target_or_all_that_may_run_do(
    policy: ScalingPolicy, running: int, load: float
) -> None:
    started = replicas_to_start(policy, running=running, load=load).replicas
    carried = started * policy.target_per_replica >= load * (1 - 1e-9)
    assert carried or started == max(policy.max_replicas, running)


@given(policies(), st.integers(0, 256), st.none() | LOADS)
def test_never_fewer_than_the_least_nor_more_than_may_run(
    policy: ScalingPolicy, running: int, load: float | None
) -> None:
    started = replicas_to_start(policy, running=running, load=load).replicas
    assert policy.min_replicas <= started <= max(policy.max_replicas, running)


@given(policies(), COUNTS)
def test_without_a_known_load_no_fewer_than_serve_now(policy: ScalingPolicy, running: int) -> None:
    assert replicas_to_start(policy, running=running, load=None).replicas == max(running, policy.min_replicas)


@given(policies(), COUNTS, LOADS)
def test_no_replica_is_started_that_neither_load_nor_least_asks_for(
    policy: ScalingPolicy, running: int, load: float
) -> None:
    started = replicas_to_start(policy, running=running, load=load).replicas
    assert started <= max(policy.min_replicas, math.ceil(load / policy.target_per_replica))


@given(policies(), COUNTS, LOADS, LOADS)
def test_more_load_never_starts_fewer(policy: ScalingPolicy, running: int, one: float, another: float) -> None:
    less, more = (replicas_to_start(policy, running=running, load=load) for load in sorted((one, another)))
    assert less.replicas <= more.replicas


@pytest.mark.parametrize(
    ("running", "load", "replicas", "why"),
    [
        (1, 34.2, 4, "4 for the 34.2 requests/s that arrive now, at 10 a replica"),
        (3, 2.0, 2, "1 for the 2.0 requests/s that arrive now, at 10 a replica; the policy says at least 2"),
        (3, 75.0, 5, "8 for the 75.0 requests/s that arrive now, at 10 a replica; at most 5 may run"),
        (3, None, 3, "as many as serve now (3), whose load is not known"),
        (0, None, 2, "as many as serve now (0), whose load is not known; the policy says at least 2"),
    ],
)
def test_the_arithmetic_is_said(running: int, load: float | None, replicas: int, why: str) -> None:
    started = replicas_to_start(policy(least=2, most=5), running=running, load=load)
    assert (started.replicas, started.why) == (replicas, why)
