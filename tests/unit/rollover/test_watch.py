"""When does a watch roll back? On proof; not on one failure of three, not on a bad minute of the machine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.profiling.cell import Objective
from seatrial.rollover.promise import Promise, Served
from seatrial.rollover.watch import Seen, findings, late_share

PROMISE = Promise(
    error_excess=0.001, before=None, objective=Objective(percentile=99, latency_ms=150), rate_per_replica=20.0
)


def counted(*looks: tuple[int, int]) -> Seen:
    seen = Seen()
    for requests, failures in looks:
        seen = seen.look(requests, failures)
    return seen


def broken(seen: Seen, promise: Promise = PROMISE) -> list[str]:
    return [found.sentence for found in findings(seen, promise) if found.breach]


def test_fourteen_of_two_hundred_is_a_breach_and_says_so() -> None:
    (sentence,) = broken(counted(*[(14, 1), (14, 1)] * 7, (4, 0)))
    assert sentence.startswith("14 of 200 requests failed, limit 0.10%, the shadow verdict's; as 14 bursts in 200")
    assert "(limit 0.0001)" in sentence


@pytest.mark.parametrize(
    "looks",
    [
        [],
        [(3, 1)],  # one of three
        [(1, 1), (1, 1), (1, 1)],  # three of three: one caller with one odd input can do that
        [(1, 1)] * 19,  # too few requests at all
        [(100, 60), (100, 0), (100, 0)],  # one burst of many
        [(6, 1)] * 4,  # four bursts, however unlikely
        [(1000, 1)] * 20,  # as was allowed
    ],
)
def test_little_evidence_is_no_breach(looks: list[tuple[int, int]]) -> None:
    assert broken(counted(*looks)) == []


def test_everything_failing_is_a_breach_as_soon_as_there_is_enough_to_say_so() -> None:
    assert broken(counted(*[(4, 4)] * 5))
    assert not broken(counted(*[(4, 4)] * 4))


def test_what_production_failed_before_is_no_breach_now() -> None:
    looks = counted(*[(10, 1)] * 30)
    assert broken(looks)
    before = Served(version=1, requests=1000, failures=100)
    same = PROMISE.model_copy(update={"before": before})
    assert not broken(looks, same)
    assert "limit 10.10% = 10.00% of @1 (100 of 1000) + 0.10%" in findings(looks, same)[0].sentence
    assert broken(counted(*[(10, 4)] * 30), same)


@pytest.mark.parametrize(
    ("share", "before"),
    [(0.001, None), (0.021, Served(version=1, requests=1000, failures=20))],
)
def test_a_version_at_the_promised_share_is_almost_never_rolled_back(share: float, before: Served | None) -> None:
    """5 minutes at 10 requests/s, a look each second, failures one by one and in bursts of five."""
    promise, random, watches = PROMISE.model_copy(update={"before": before}), np.random.default_rng(1), 200
    for burst in (1, 5):
        rolled_back = sum(_first_breach(random, 10, share, burst, promise) is not None for _ in range(watches))
        assert rolled_back <= 1, burst


def test_seven_per_cent_of_ten_requests_a_second_are_seen_within_half_a_minute() -> None:
    random = np.random.default_rng(2)
    seen = [_first_breach(random, 10, 0.07, 1, PROMISE) for _ in range(100)]
    assert max(look or 300 for look in seen) <= 30
    assert np.median([look or 300 for look in seen]) <= 12


def _first_breach(random: np.random.Generator, rate: float, share: float, burst: int, promise: Promise) -> int | None:
    requests = random.poisson(rate, 300)
    failures = np.minimum(requests, random.binomial(requests, share / burst) * burst)
    seen = Seen()
    for look in range(300):
        seen = seen.look(int(requests[look]), int(failures[look]))
        if failures[look] and broken(seen, promise):
            return look + 1
    return None


def test_latencies_above_the_objective_are_a_breach_the_sooner_the_more_are_late() -> None:
    def minutes(count: int, share: float) -> Seen:
        seen = Seen()
        for _ in range(count):
            seen = seen.minute(600, share)
        return seen

    half, tenth, twentieth, as_promised = 0.45, 0.09, 0.045, 0.009
    assert broken(minutes(1, half))
    assert not broken(minutes(1, tenth))
    assert broken(minutes(2, tenth))
    assert not broken(minutes(2, twentieth))
    assert broken(minutes(5, twentieth))
    assert not broken(minutes(5, as_promised))
    (sentence,) = broken(minutes(2, tenth))
    assert sentence.startswith(
        "at least 9.0% of 1200 requests in 2 min were later than 150 ms, limit 1.0%; as 10 of 120"
    )


def test_a_minute_of_three_requests_is_three_observations() -> None:
    assert not broken(Seen().minute(3, 0.45))


def test_latency_is_not_judged_without_a_measured_capacity_or_a_whole_minute() -> None:
    unmeasured = PROMISE.model_copy(update={"rate_per_replica": None})
    assert broken(Seen().minute(600, 0.45), unmeasured) == []
    assert "no capacity was measured" in findings(Seen(), unmeasured)[1].sentence
    assert findings(Seen().leave_out(), PROMISE)[1].sentence.endswith(
        "no whole minute to judge; 1 min left out: too much load, or other work on the cores"
    )


def test_the_late_share_is_what_the_quantiles_prove() -> None:
    quantiles = {0.5: 20.0, 0.9: 100.0, 0.95: 160.0, 0.99: 300.0}
    assert late_share(quantiles, 150.0) == pytest.approx(0.045)
    assert late_share(quantiles, 50.0) == pytest.approx(0.09)
    assert late_share(quantiles, 400.0) == 0.0
    assert late_share(dict.fromkeys(quantiles, float("nan")), 150.0) == 0.0, "there were no requests"


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=40))
def test_fewer_failures_are_never_worse(looks: list[tuple[int, int]]) -> None:
    some = [(requests, min(requests, failures)) for requests, failures in looks]
    if broken(counted(*[(requests, 0) for requests, _ in some])):
        pytest.fail("a breach without a failure")
