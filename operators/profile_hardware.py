"""Step 5: the list of hardware options, and the measurement of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from operators.step import StepOperator

if TYPE_CHECKING:
    from seatrial.steps.run import Run


class HardwareOptions(StepOperator):
    """The manager's hardware options, or those of them that `only` names; what ProfileHardware is mapped over."""

    template_fields = ("only",)

    def __init__(self, *, only: Any = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.only = only

    def step(self, run: Run) -> Any:
        from seatrial.steps.profile_hardware import hardware_options

        return hardware_options(run, self.only)


class ProfileHardware(StepOperator):
    """Measures one hardware option. One that this machine lacks is skipped with that reason."""

    template_fields = ("model_id", "option")

    def __init__(self, *, model_id: Any, option: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model_id = model_id
        self.option = option

    def step(self, run: Run) -> Any:
        from seatrial.steps.profile_hardware import impossible, profile_hardware

        label = {"hardware_option": self.option["name"]}  # read by map_index_template
        get_current_context().update(label)  # type: ignore[typeddict-item]
        reason = impossible(run, self.option)
        if reason is not None:
            raise AirflowSkipException(f"{self.option['name']}: {reason}")
        return profile_hardware(run, int(self.model_id), self.option)
