"""Step 5 without Airflow: the stages of measuring a version one after the other, as a run's mapped tasks do them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from seatrial.errors import DeviceTaken, SeatrialError
from seatrial.steps import profile_hardware as step
from seatrial.steps.run import Run

Option = dict[str, Any]
Stage = Literal["survey", "measure", "verify"]
Measure = Callable[[Run, int, Option], dict[str, Any]]

LOOK_AGAIN_S = 5.0
"""While another run measures on the cores or the GPU."""


@dataclass(frozen=True)
class Seen:
    """An option in a stage: `began`, or how that ended: the figures of `measured`, the `reason` for the others."""

    option: str
    stage: Stage
    state: Literal["began", "measured", "skipped", "failed"]
    figures: dict[str, Any] | None = None
    reason: str = ""


def profile_version(
    begin: Callable[[], Run], model_id: int, only: Sequence[str] = (), *, anew: bool = False
) -> Iterator[Seen]:
    """Measure the manager's options, or those that `only` names; what becomes of each, as it becomes known.

    `begin` gives each measurement the run with a deadline of its own. The cells are kept as evidence of that run; one
    that fails loses no other. A second call with the same run goes on where the first ended; what earlier runs measured
    is not measured again. `anew`: neither counts, all is measured.
    """
    mapped = step.stages(step.hardware_options(begin(), list(only)))
    for option in mapped["survey"]:
        yield from _one(begin, model_id, option, "survey", partial(step.survey_hardware, anew=anew))
    for wanted in mapped["measure"]:
        found = step.to_measure(begin(), model_id, wanted)
        if found is not None:
            yield from _one(begin, model_id, found, "measure", partial(step.profile_hardware, anew=anew))
    for place in mapped["verify"]:
        found = step.to_verify(begin(), model_id, place)
        if found is not None:
            yield from _one(begin, model_id, found, "verify", step.verify_hardware)


def _one(begin: Callable[[], Run], model_id: int, option: Option, stage: Stage, measure: Measure) -> Iterator[Seen]:
    name, run = option["name"], begin()
    why = step.why_no_survey(run, model_id, option) if stage == "survey" else step.impossible(run, model_id, option)
    if why is not None:
        yield Seen(name, stage, "skipped", reason=why)
        return
    yield Seen(name, stage, "began")
    try:
        yield Seen(name, stage, "measured", figures=_once_free(begin, model_id, option, measure))
    except SeatrialError as error:
        yield Seen(name, stage, "failed", reason=str(error))


def _once_free(begin: Callable[[], Run], model_id: int, option: Option, measure: Measure) -> dict[str, Any]:
    while True:
        run = begin()
        try:
            return measure(run, model_id, option)
        except DeviceTaken as error:
            run.progress(str(error))
            time.sleep(LOOK_AGAIN_S)
