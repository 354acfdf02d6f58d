"""How the weekly run ends."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from operators.reprofile import RefreshPolicies
from seatrial.steps import reprofile


def ended(monkeypatch: pytest.MonkeyPatch, planned: Any, **verdicts: str) -> Any:
    """What the task makes of these verdicts by model."""
    found = {model: {"verdict": verdict, "sentence": f"why of {model}"} for model, verdict in verdicts.items()}
    monkeypatch.setattr(reprofile, "refresh_policies", lambda run, of: found if of == planned else None)
    return RefreshPolicies(task_id="refresh", planned=planned).step(None)  # type: ignore[arg-type]


def test_without_an_alarm_the_task_says_what_became_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [*ended(monkeypatch, [1], pitch="keep", chords="refresh")] == ["pitch", "chords"]
    assert ended(monkeypatch, []) == {}


def test_each_alarm_is_a_reason_of_the_failed_task(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AirflowFailException, match=r"^alarm: pitch: why of pitch \| voice: why of voice$"):
        ended(monkeypatch, [1], pitch="alarm", chords="keep", voice="alarm")


def test_a_run_that_planned_nothing_because_that_failed_is_not_a_good_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AirflowFailException, match="nothing was planned"):
        ended(monkeypatch, None)
