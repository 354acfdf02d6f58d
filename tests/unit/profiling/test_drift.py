"""When a measurement says something else than the one of the policy in force, and when that is unsafe by it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.autoscale.derive import TAU, derive
from seatrial.profiling.cell import Cell, Objective
from seatrial.profiling.drift import Drift, drift, not_measured
from tests.unit.autoscale.test_derive_and_choose import cell

RATES = st.floats(1.0, 1000.0)


@st.composite
def measured(draw: st.DrawFn) -> Cell:
    """A cell as a search leaves it: its answer within its interval, or the lower end of it, or both ends."""
    lam = draw(RATES)
    low, high = lam * draw(st.one_of(st.just(1.0), st.floats(0.5, 1))), lam * draw(st.floats(1, 1.5))
    return of(lam, low, high, method=draw(st.sampled_from(["model", "live"])))


def of(lam: float, low: float | None = None, high: float | None = None, **more: Any) -> Cell:
    more |= {"lambda_low": 0.95 * lam if low is None else low, "lambda_high": 1.1 * lam if high is None else high}
    return cell(lam=lam, mu=1.5 * lam, **more)


def standing(of: Cell) -> float:
    return derive(of, now_ms=0).standing


def judged(before: Cell, now: Cell) -> Drift:
    """Under the policy that follows from the earlier one."""
    return drift(before, now, standing(before))


@given(measured())
def test_a_measurement_against_itself_is_kept(found: Cell) -> None:
    assert judged(found, found).verdict == "keep"


@given(measured(), measured())
def test_it_is_no_matter_which_of_two_came_first(one: Cell, other: Cell) -> None:
    assert (drift(one, other, 0.0).verdict == "keep") == (drift(other, one, 0.0).verdict == "keep")


@given(measured(), measured(), RATES, st.floats(0.01, 1))
def test_less_capacity_never_ends_an_alarm(before: Cell, now: Cell, load: float, share: float) -> None:
    less = of(*(share * getattr(now.capacity, name) for name in ("lambda_max", "lambda_low", "lambda_high")))
    if drift(before, now, load).verdict == "alarm":
        assert drift(before, less, load).verdict == "alarm"


@given(measured(), measured())
def test_a_policy_that_follows_from_todays_measurement_is_no_alarm(before: Cell, now: Cell) -> None:
    assert drift(before, now, standing(now)).verdict != "alarm"


@pytest.mark.parametrize(
    ("before", "now", "verdict", "why"),
    [
        (of(100), of(104), "keep", "today 104 requests/s [98.8, 114.4], 1970-01-01 100 requests/s [95, 110]"),
        (of(100), of(96), "keep", ""),
        (of(100), of(106), "refresh", "it carries more"),
        (of(100), of(94), "refresh", "it carries less"),
        (of(100), of(90), "alarm", "85.5 are assured, and the policy in force lets 85.8 stand on a replica"),
        (of(100), of(5), "alarm", "4.75 are assured"),
    ],
)
def test_inside_both_intervals_is_kept_and_below_what_the_policy_lets_stand_is_an_alarm(
    before: Cell, now: Cell, verdict: str, why: str
) -> None:
    found = judged(before, now)
    assert found.verdict == verdict
    assert why in found.sentence


@pytest.mark.parametrize(
    ("lam", "verdict"), [(100, "keep"), (103, "keep"), (97, "keep"), (93, "keep"), (112, "refresh"), (92, "refresh")]
)
def test_a_level_that_held_at_the_answer_speaks_against_no_lower_one(lam: float, verdict: str) -> None:
    """92: what the policy counts on failed today, at 98."""
    verified = of(100, low=100, high=110, verified_s=40)
    now = of(lam, low=lam, high=98 if lam == 92 else 1.1 * lam, verified_s=40)
    assert judged(verified, now).verdict == verdict


def test_an_interval_without_width_is_kept_by_its_own_figure_alone() -> None:
    point = of(100, low=100, high=100)
    assert judged(point, point).verdict == "keep"
    assert judged(point, of(101, low=101, high=101)).verdict == "refresh"


def test_the_bound_of_an_alarm_is_the_tolerance_of_the_autoscaler() -> None:
    before = of(100)
    target = derive(before, now_ms=0).target_per_replica
    for lam, verdict in ((target * (1 + TAU) * 1.001, "refresh"), (target * (1 + TAU) * 0.999, "alarm")):
        assert judged(before, of(lam / 0.95)).verdict == verdict


@pytest.mark.parametrize("lam", [0.0, 100.0])
def test_no_load_within_the_objective_is_an_alarm_whatever_figures_are_left(lam: float) -> None:
    nothing = of(100, lam, lam, feasible=False, method="infeasible", lambda_max=lam, notes=("idle p50 120 ms",))
    found = judged(of(100), nothing)
    assert found.verdict == "alarm"
    assert "today no requests/s (idle p50 120 ms)" in found.sentence
    assert "no load keeps the objective" in found.sentence
    assert found.disturbed == ()


def test_what_could_not_be_measured_is_an_alarm_with_the_reason() -> None:
    for before in (of(100), None):
        found = not_measured(before, "machine not quiet", 80.0)
        assert (found.verdict, found.now) == ("alarm", None)
        assert "machine not quiet" in found.sentence


def estimate() -> Cell:
    return of(100, low=0.0, high=150.0, method="survey")


@pytest.mark.parametrize(("before", "now"), [(estimate(), of(100)), (of(100), estimate()), (estimate(), estimate())])
def test_an_estimate_is_no_reason_to_keep(before: Cell, now: Cell) -> None:
    assert drift(before, now, 80.0).verdict == "refresh"
    assert drift(before, now, 96.0).verdict == "alarm"


def test_without_the_measurement_of_the_policy_nothing_is_kept() -> None:
    assert drift(None, of(100), 80.0).verdict == "refresh"
    assert drift(None, of(100), 96.0).verdict == "alarm"


KNOWN = {"machine": "a", "inference_server": "triton 1", "driver": "", "measured_as": "one"}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"machine": "b"}, "machine: a → b"),
        ({"inference_server": "triton 2"}, "inference server: triton 1 → triton 2"),
        ({"driver": "550"}, "GPU driver: none → 550"),
        ({"measured_as": "two"}, "which GPUs it may get"),
        ({"objective": Objective(latency_ms=50)}, "objective: p99 ≤ 100 ms → p99 ≤ 50 ms"),
    ],
)
@given(measured(), measured())
def test_what_was_measured_under_other_conditions_is_never_kept(
    other: dict[str, Any], said: str, before: Cell, now: Cell
) -> None:
    found = judged(before.model_copy(update=KNOWN), now.model_copy(update=KNOWN | other))
    assert found.verdict in ("refresh", "alarm")
    assert said in found.sentence
    assert any(said in line for line in found.changed)


@pytest.mark.parametrize(("digest", "verdict"), [("one", "keep"), ("two", "refresh"), ("", "refresh")])
def test_of_an_older_measurement_that_names_no_programs_the_digest_decides(digest: str, verdict: str) -> None:
    older = of(100).model_copy(update={"machine": "a", "measured_as": digest})
    assert judged(older, of(100).model_copy(update=KNOWN)).verdict == verdict


def test_what_disturbed_todays_measurement_is_said_with_the_verdict() -> None:
    notes = ("at 9.0 requests/s the machine was not quiet: other work", "a window of 4 s was discarded: other work")
    found = judged(of(100), of(80, notes=notes))
    assert (found.verdict, found.disturbed) == ("alarm", notes[:1])
    assert found.sentence.endswith(notes[0])


@given(measured(), measured())
def test_a_verdict_is_kept_as_json(before: Cell, now: Cell) -> None:
    found = judged(before, now)
    assert Drift.model_validate(found.model_dump(mode="json")) == found


def test_an_older_measurement_is_still_read() -> None:
    document = of(100).model_dump(mode="json")
    for name in ("inference_server", "driver"):
        del document[name]
    assert Cell.model_validate(document).inference_server == ""
