from __future__ import annotations

from typing import Any

from seatrial import cli_views as views


def test_an_empty_registry_says_so() -> None:
    assert views.models_lines([]) == ["no model is registered yet"]


def test_columns_stand_under_each_other() -> None:
    models: list[dict[str, Any]] = [
        {"name": "a-long-name", "production": 12, "staging": None, "versions": 12},
        {"name": "b", "production": None, "staging": 3, "versions": 3},
    ]
    lines = views.models_lines(models)
    at = lines[0].index("Production")
    assert [line[at : at + 3].strip() for line in lines[1:]] == ["@12", "–"]


def test_the_ledger_shows_who_moved_what_and_why_and_where_when_there_are_two_places() -> None:
    move = {
        "seq": 2,
        "environment": "local",
        "at_ms": 0,
        "model": "pitch",
        "version": 2,
        "from_stage": "Staging",
        "to_stage": "Production",
        "displaced": 1,
        "who": "airflow",
        "why": "validated",
    }
    line = views.ledger_lines([move])[1]
    assert all(
        word in line for word in ("1970-01-01", "pitch@2", "Staging", "Production", "@1", "airflow", "validated")
    )
    assert "local" not in line
    both = views.ledger_lines([move, {**move, "environment": "paris"}])
    at = both[0].index("environment")
    assert [row[at : at + 11].strip() for row in both] == ["environment", "local", "paris"]


def test_status_says_what_is_kept_for_a_rollback_and_until_when() -> None:
    spec = {"served": {"name": "pitch", "version": 1}, "option": {"name": "cpu-1x1"}, "replicas": 1}
    kept = {
        "spec": spec,
        "state": "ready",
        "replicas": [{"state": "ready"}],
        "error": None,
        "kept_warm_until_ms": 900_000,
    }
    manager = {"version": "0.1.0", "pid": 1, "machine": {"cores": 2}}
    lines = views.status_lines({"manager": manager, "models": [], "deployments": [kept]})
    assert lines[-1] == (
        "  pitch@1 on cpu-1x1: ready, 1 of 1 replica(s) ready, kept for a rollback until 1970-01-01 00:15:00Z"
    )
