"""What the mapped tasks of a measurement are called."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from operators import profile_hardware
from operators.choose_hardware import ChooseHardware
from operators.profile_hardware import ProfileHardware, VerifyHardware
from operators.step import StepOperator


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    found: dict[str, Any] = {}
    monkeypatch.setattr(profile_hardware, "get_current_context", lambda: found)
    return found


def test_a_task_is_named_after_its_option(context: dict[str, Any]) -> None:
    assert profile_hardware.labelled({"name": "cpu-2x2"}) == {"name": "cpu-2x2"}
    assert context == {"hardware_option": "cpu-2x2"}


def test_a_task_that_is_skipped_has_a_name_too(context: dict[str, Any]) -> None:
    """Without one Airflow fails it: the template of the name has nothing to render."""
    with pytest.raises(AirflowSkipException, match="no option is left"):
        profile_hardware.labelled(None)
    assert context == {"hardware_option": "none left"}


@pytest.mark.parametrize(
    ("said", "meant"), [(True, True), ("True", True), (False, False), ("False", False), ("", False)]
)
def test_a_boolean_may_come_from_a_template(said: bool | str, meant: bool) -> None:
    assert profile_hardware.yes(said) == meant


OF = {"model_id": "7", "validated": "False"}


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(
    "task",
    [
        ProfileHardware(task_id="profile", option={"name": "cpu-1x1"}, **OF),
        ProfileHardware(task_id="profile-place", option=0, **OF),
        VerifyHardware(task_id="verify", place=0, **OF),
        ChooseHardware(task_id="choose", **OF),
    ],
    ids=lambda task: str(task.task_id),
)
def test_a_version_that_was_not_validated_is_not_measured(task: StepOperator) -> None:
    """Without the manager: nobody asks it anything."""
    with pytest.raises(AirflowSkipException, match="not validated in this run"):
        task.step(None)  # type: ignore[arg-type]
