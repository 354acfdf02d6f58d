"""Step 5: the list of hardware options, and the three stages of measuring them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from operators.step import StepOperator

if TYPE_CHECKING:
    from seatrial.steps.run import Run


class HardwareOptions(StepOperator):
    """What a stage is mapped over: of the manager's hardware options, or those of them that `only` names. One task for
    each stage, since Airflow maps over nothing but the whole return value of a task."""

    template_fields = ("only",)

    def __init__(self, *, stage: str, only: Any = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage
        self.only = only

    def step(self, run: Run) -> Any:
        from seatrial.steps.profile_hardware import hardware_options, stages

        return stages(hardware_options(run, self.only))[self.stage]


class SurveyHardware(StepOperator):
    """Stage A: saturation of one hardware option. One that this machine lacks or that cannot win is skipped with that
    reason. `anew`, a boolean or its text: what was measured before does not count."""

    template_fields = ("model_id", "option", "anew")

    def __init__(self, *, model_id: Any, option: Any, anew: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model_id = model_id
        self.option = option
        self.anew = anew

    def step(self, run: Run) -> Any:
        from seatrial.steps.profile_hardware import survey_hardware, why_no_survey

        option = labelled(self.option)
        skip(option, why_no_survey(run, int(self.model_id), option))
        return survey_hardware(run, int(self.model_id), option, anew=yes(self.anew))


class ProfileHardware(StepOperator):
    """Stage B: measures one hardware option, or where `option` is a place among those of a survey, the most promising
    one that is left. An option that this machine lacks is skipped with that reason.

    It runs whatever became of single surveys (trigger rule all_done), so it looks itself whether there is anything to
    do, see ChooseHardware. `anew` as for SurveyHardware.
    """

    template_fields = ("model_id", "option", "validated", "anew")

    def __init__(
        self, *, model_id: Any, option: Any, validated: str = "True", anew: bool | str = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.model_id = model_id
        self.option = option
        self.validated = validated
        self.anew = anew

    def step(self, run: Run) -> Any:
        from seatrial.steps.profile_hardware import impossible, profile_hardware, to_measure

        wanted = to_measure(run, int(self.model_id), self.option) if yes(self.validated) else None
        option = labelled(wanted)
        skip(option, impossible(run, int(self.model_id), option))
        return profile_hardware(run, int(self.model_id), option, anew=yes(self.anew))


class VerifyHardware(StepOperator):
    """Stage C: a long level on the cheapest option that has none yet. `place`: 0 for the first task, 1 for the next."""

    template_fields = ("model_id", "validated", "place")

    def __init__(self, *, model_id: Any, validated: str, place: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model_id = model_id
        self.validated = validated
        self.place = place

    def step(self, run: Run) -> Any:
        from seatrial.steps.profile_hardware import to_verify, verify_hardware

        option = to_verify(run, int(self.model_id), int(self.place)) if yes(self.validated) else None
        return verify_hardware(run, int(self.model_id), labelled(option))


def labelled(option: dict[str, Any] | None) -> dict[str, Any]:
    """The option, and the mapped task named after it on Airflow's page; without one the task is skipped. A task without
    a name would fail: Airflow renders map_index_template of skipped ones too."""
    named = {"hardware_option": "none left" if option is None else option["name"]}
    get_current_context().update(named)  # type: ignore[typeddict-item]
    if option is None:
        raise AirflowSkipException("no option is left that could win, or the version was not validated in this run")
    return option


def yes(said: bool | str) -> bool:
    """A boolean, or what a template made of one."""
    return str(said) == "True"


def skip(option: dict[str, Any], reason: str | None) -> None:
    if reason is not None:
        raise AirflowSkipException(f"{option['name']}: {reason}")
