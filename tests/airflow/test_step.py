"""How the failure of a step reaches Airflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowRescheduleException

from operators.hook import SeatrialHook
from operators.step import LOOK_AGAIN_S, StepOperator
from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import (
    Conflict,
    DeviceTaken,
    Refused,
    SeatrialError,
    ServerFailed,
    StagingTaken,
    TryAgain,
    UndecidedYet,
)
from seatrial.steps.run import Run


class Fails(StepOperator):
    def __init__(self, *, error: SeatrialError, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error = error

    def step(self, run: Run) -> Any:
        raise self.error


def run(error: SeatrialError, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SeatrialHook, "get_conn", lambda _, run: ManagerAPI("http://127.0.0.1:1", token=None, run=run))
    context: Any = {
        "dag_run": SimpleNamespace(run_id="upload__1", triggering_user_name=None),
        "ti": SimpleNamespace(try_number=1, max_tries=2),
    }
    Fails(task_id="fails", error=error).execute(context)


@pytest.mark.parametrize("taken", [StagingTaken, DeviceTaken, UndecidedYet])
def test_a_step_that_waits_for_another_run_or_for_traffic_comes_back_and_takes_no_retry(
    taken: type[SeatrialError], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = datetime.now(UTC)
    with pytest.raises(AirflowRescheduleException) as caught:
        run(taken("another run has it"), monkeypatch)
    assert timedelta(0) < caught.value.reschedule_date - before <= timedelta(seconds=LOOK_AGAIN_S + 60)


@pytest.mark.parametrize("error", [TryAgain("away"), ServerFailed("died")])
def test_what_may_pass_is_retried(error: SeatrialError, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AirflowException) as caught:
        run(error, monkeypatch)
    assert not isinstance(caught.value, AirflowFailException | AirflowRescheduleException)


@pytest.mark.parametrize("error", [Refused("wrong"), Conflict("moved on")])
def test_what_trying_again_cannot_mend_fails_at_once(error: SeatrialError, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AirflowFailException):
        run(error, monkeypatch)
