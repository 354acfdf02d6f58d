"""The record of a replay: what was sent can be kept, read again and gone on with."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from seatrial.shadow.record import Record, Requests
from seatrial.shadow.sequential import Mismatches

SENDINGS = st.lists(
    st.tuples(
        st.sampled_from(["x", "y", "z"]),
        st.none() | st.floats(0.001, 1),
        st.none() | st.floats(0.001, 1),
        st.sampled_from([".", "b", "a", "2", "f", "s"]),
    ),
    max_size=40,
)


def recorded(sendings: list[tuple[str, float | None, float | None, str]], before: Requests | None = None) -> Record:
    record = Record(before)
    for request, production_s, staging_s, outcome in sendings:
        record.add(request, "sample", production_s, staging_s, outcome, undisturbed=(True, False))  # type: ignore[arg-type]
    return record


@given(SENDINGS, SENDINGS)
def test_a_record_goes_on_where_it_ended(first: list, second: list) -> None:  # type: ignore[type-arg]
    kept = Requests.model_validate_json(recorded(first).requests.model_dump_json())
    assert recorded(second, kept).requests == recorded([*first, *second]).requests


@given(SENDINGS)
def test_what_failed_is_not_compared(sendings: list) -> None:  # type: ignore[type-arg]
    record = recorded(sendings)
    found = record.mismatches
    assert record.sent == len(sendings)
    assert found.requests == sum(outcome not in "fs" for *_, outcome in sendings)
    assert found.candidate_only + found.noise_only + found.both <= found.requests


def test_latencies_are_paired_and_those_of_failures_left_out() -> None:
    record = recorded([("x", 0.001, 0.002, "."), ("x", None, 0.002, "f"), ("y", 0.003, None, "f")])
    assert record.pairs_s == [(0.001, 0.002)]
    assert record.failures == Mismatches(requests=3, candidate_only=1, noise_only=1, both=0)
    assert record.percentiles(noise=True)["staging"]["p50"] == 2.0


def test_only_what_was_answered_while_nobody_else_was_is_paired_each_time_by_itself() -> None:
    record = Record()
    for first, second in itertools.product((False, True), repeat=2):
        record.add("x", "sample", 0.001, 0.002, ".", (0.003, 0.004), (first, second))
    kept = Record(Requests.model_validate_json(record.requests.model_dump_json()))
    assert kept.pairs_s == [(0.003, 0.004), (0.001, 0.002), (0.001, 0.002), (0.003, 0.004)]
    assert kept.requests.undisturbed == "0213"


def test_what_only_staging_was_asked_says_nothing_of_production_and_no_latency() -> None:
    record = recorded([("x", 0.001, 0.002, "."), ("x", None, 0.009, "s"), ("y", 0.001, None, "f")])
    assert record.production_ms == [1.0, 1.0]
    assert record.failures == Mismatches(requests=3, candidate_only=1, noise_only=0, both=0)
    assert record.percentiles(noise=True)["staging"]["p99"] == 2.0


def test_the_path_is_what_was_known_on_the_way() -> None:
    path = list(recorded([("x", 1, 1, "b"), ("x", 1, 1, "."), ("x", 1, 1, "a"), ("x", 1, 1, ".")]).path(2))
    assert [(found.requests, found.candidate_only, found.noise_only) for found in path] == [(2, 1, 0), (4, 1, 1)]
