"""The curve between the measured levels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.profiling.curves import load_curve
from seatrial.profiling.queue import Queue
from seatrial.profiling.queue_model import highest_rate
from tests.unit.autoscale.test_derive_and_choose import cell

QUEUES = st.builds(Queue, instances=st.integers(1, 3), max_batch=st.sampled_from([1, 4]), each_more=st.floats(0.1, 1))


@settings(max_examples=10, deadline=None)
@given(QUEUES, st.lists(st.floats(1, 20), min_size=8, max_size=40))
def test_latency_never_falls_with_load_and_the_median_is_below_the_percentile(
    queue: Queue, services_ms: list[float]
) -> None:
    found = load_curve(cell(queue=queue, services_ms=services_ms))
    assert found is not None
    assert all(lower < higher for lower, higher in pairwise(found.rates))
    assert all(p50 <= high for p50, high in zip(found.p50_ms, found.percentile_ms, strict=True))
    if queue.max_batch == 1:  # a batch may wait for nobody at a lower rate and be smaller
        assert all(higher >= lower - 1e-6 for lower, higher in pairwise(found.percentile_ms))


def test_the_curve_meets_the_objective_where_the_search_finds_the_highest_rate() -> None:
    found = load_curve(cell(services_ms=[10.0] * 100))
    assert found is not None
    at_limit = float(np.interp(100, found.percentile_ms, found.rates))  # the cell's objective is 100 ms
    assert at_limit == pytest.approx(highest_rate([0.01], Queue(), 0.1, 99), rel=0.05)


def test_an_older_measurement_has_no_curve() -> None:
    assert load_curve(cell()) is None
