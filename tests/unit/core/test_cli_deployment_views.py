"""Deployments and logs as lines: what a hostile model wrote does nothing to a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seatrial import cli_deployment_views as views

REPLICA = {
    "id": "pitch-2-3f9a1b2c",
    "state": "ready",
    "pid": 4712,
    "grpc_address": "127.0.0.1:20007",
    "core_set": [0, 1],
    "gpu": None,
    "started_in_s": 1.25,
    "runtime": {"threads": "2"},
    "error": None,
    "log_tail": [],
}
DEPLOYMENT = {
    "spec": {
        "model_id": 7,
        "served": {"name": "pitch", "version": 2},
        "environment": "local",
        "option": {"name": "cpu-2x2", "cores": 2, "gpu": None},
        "replicas": 2,
    },
    "wanted_at_ms": 1795519970000,
    "state": "starting",
    "stage": "Staging",
    "replicas": [REPLICA],
    "error": None,
}


def test_the_table_says_how_many_are_ready_of_those_wanted() -> None:
    head, row = views.deployments_lines([DEPLOYMENT])
    assert head.split() == ["version", "stage", "environment", "option", "replicas", "state", "error"]
    assert row.split() == ["pitch@2", "Staging", "local", "cpu-2x2", "1/2", "starting"]
    assert views.deployments_lines([]) == ["nothing is deployed"]


def test_the_detail_shows_every_fact_that_there_is_of_a_replica() -> None:
    lines = [line.split() for line in views.deployment_lines(DEPLOYMENT)]
    assert lines[0] == ["pitch@2", "(model", "id", "7)", "in", "local:", "starting"]
    assert ["started_in_s", "1.25"] in lines
    assert ["core_set", "0", "1"] in lines
    assert ["runtime", "threads", "2"] in lines
    assert not any("gpu" in line for line in lines)


def test_a_failed_replica_shows_its_error_and_the_end_of_its_log() -> None:
    failed = {**REPLICA, "state": "failed", "error": "it \x1b[31mended", "log_tail": ["Bye.\x07"]}
    lines = views.deployment_lines({**DEPLOYMENT, "state": "failed", "error": "3 starts", "replicas": [failed]})
    assert "    error: it [31mended" in lines
    assert lines[-1] == "    | Bye."
    assert "  error     3 starts" in lines


def test_an_error_that_is_long_does_not_break_the_table() -> None:
    (_, row) = views.deployments_lines([{**DEPLOYMENT, "error": "x" * 1000}])
    assert len(row) < 200


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert views.plain(text).isprintable()


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")), st.integers(1, 8))
def test_what_is_shown_of_a_followed_log_ends_as_the_log_does(old: list[str], new: list[str], most: int) -> None:
    before, now = old[-most:], (old + new)[-most:]
    shown = [line for line in views.new_lines(before, now) if line != views.GAP]
    assert shown == now[len(now) - len(shown) :]
    assert len(shown) <= len(new)


def test_lines_that_were_not_seen_are_not_hidden() -> None:
    assert views.new_lines(["a", "b"], ["x", "y"]) == [views.GAP, "x", "y"]
    assert views.new_lines([], ["x"]) == ["x"]
    assert views.new_lines(["a", "b", "c"], ["b", "c", "d"]) == ["d"]
