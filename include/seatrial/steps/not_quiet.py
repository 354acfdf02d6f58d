"""Options without a capacity because the machine did other work: kept as evidence, told, and measured again later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from seatrial.errors import MachineNotQuiet
from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import NotQuiet, Objective
from seatrial.profiling.evidence import NOT_QUIET, not_quiet_in
from seatrial.steps.run import Run


@contextmanager
def not_quiet_kept(
    run: Run, model_id: int, option: HardwareOption, objective: Objective, machine: str
) -> Iterator[None]:
    """What the block raises because the machine was not quiet is kept as evidence of this run, and raised."""
    try:
        yield
    except MachineNotQuiet as error:
        now_ms = int(time.time() * 1000)
        found = NotQuiet(option=option, objective=objective, machine=machine, reason=error.message, at_ms=now_ms)
        run.api.add_evidence(model_id, NOT_QUIET, option.name, run.id, found.model_dump(mode="json"))
        raise


def not_quiet(run: Run, model_id: int) -> list[NotQuiet]:
    """The options that this run could not measure because of that, and has not measured since."""
    return not_quiet_in([one for one in run.api.evidence(model_id) if one["run"] == run.id])
