"""From counters to what was seen: only what happened since the first look, of replicas that were there, counts."""

from __future__ import annotations

from seatrial.profiling.cell import Objective
from seatrial.rollover.counting import Counting
from seatrial.rollover.promise import Promise
from seatrial.rollover.watch import Seen, findings
from seatrial.serving.triton_metrics import Reading

FAST, SLOW = {0.5: 10.0, 0.9: 20.0, 0.95: 30.0, 0.99: 60.0}, {0.5: 90.0, 0.9: 160.0, 0.95: 200.0, 0.99: 300.0}
PROMISE = Promise(error_excess=0.001, before=None, objective=Objective(latency_ms=150), rate_per_replica=20.0)


def reading(requests: int, failures: int = 0, quantiles: dict[float, float] = FAST) -> Reading:
    return Reading(requests, failures, 0, quantiles)


def counted(*looks: dict[str, Reading], every_s: float = 1.0, disturbed: tuple[int, ...] = ()) -> Counting:
    counting = Counting(PROMISE)
    for number, readings in enumerate(looks):
        counting.look(readings, disturbed=number in disturbed, now=100.0 + number * every_s)
    return counting


def test_what_a_replica_did_before_the_first_look_does_not_count() -> None:
    assert counted({"a": reading(350, 7)}).seen == Seen()
    assert counted({"a": reading(350, 7)}, {"a": reading(360, 8)}).seen == Seen(requests=10, failures=1, bursts=1)


def test_a_replica_that_comes_or_does_not_answer_counts_from_its_next_look() -> None:
    seen = counted(
        {"a": reading(10)},
        {"a": reading(20), "b": reading(500, 50)},  # b is new
        {"b": reading(505, 51)},  # a does not answer
        {"a": reading(90, 9), "b": reading(510, 51)},  # a is back: nobody knows what it did meanwhile
        {"a": reading(91, 9), "b": reading(511, 51)},
    ).seen
    assert seen == Seen(requests=10 + 5 + 5 + 2, failures=1, bursts=1)


def test_a_minute_is_judged_by_the_percentiles_at_its_end() -> None:
    seen = counted({"a": reading(0)}, {"a": reading(600, 0, SLOW)}, every_s=60.0).seen
    assert (seen.minutes, seen.in_minutes, seen.seconds) == (1, 600, 60)
    assert round(seen.late_seconds, 3) == 5.4, "9 % of 60 seconds: p90 is above the limit, p50 is not"
    assert not any(found.breach for found in findings(seen, PROMISE))
    again = counted(*({"a": reading(600 * n, 0, SLOW)} for n in range(3)), every_s=60.0).seen
    assert any(found.breach for found in findings(again, PROMISE))


def test_replicas_weigh_as_many_requests_as_they_had() -> None:
    start = {"a": reading(0), "b": reading(0)}
    seen = counted(start, {"a": reading(900, 0, FAST), "b": reading(300, 0, SLOW)}, every_s=60.0).seen
    assert round(seen.late_seconds, 3) == round(0.25 * 5.4, 3)


def test_a_minute_with_more_load_than_was_measured_says_nothing() -> None:
    assert counted({"a": reading(0)}, {"a": reading(1201, 0, SLOW)}, every_s=60.0).seen.left_out == 1
    assert counted({"a": reading(0)}, {"a": reading(1200, 0, SLOW)}, every_s=60.0).seen.minutes == 1


def test_a_minute_with_a_measurement_on_the_same_cores_says_nothing_and_the_next_one_does() -> None:
    looks = [{"a": reading(600 * n, 0, SLOW)} for n in range(3)]
    seen = counted(*looks, every_s=60.0, disturbed=(1,)).seen
    assert (seen.left_out, seen.minutes) == (1, 1)


def test_an_idle_minute_is_none() -> None:
    nothing = {"a": reading(5, 0, dict.fromkeys(FAST, float("nan")))}
    assert counted(nothing, nothing, every_s=60.0).seen == Seen()


def test_errors_count_also_under_too_much_load() -> None:
    seen = counted({"a": reading(0)}, {"a": reading(5000, 50)}, every_s=60.0).seen
    assert (seen.requests, seen.failures, seen.left_out) == (5000, 50, 1)
