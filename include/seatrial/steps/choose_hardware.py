"""Step 6: the cheapest option that carries the objective, and the scaling policy from its measured capacity."""

from __future__ import annotations

import time
from typing import Any

from seatrial.autoscale.answer import answer
from seatrial.autoscale.choose import Choice, choose
from seatrial.autoscale.derive import ScalingPolicy, derive
from seatrial.autoscale.table import capacity_table
from seatrial.errors import MachineNotQuiet
from seatrial.profiling.cell import Cell
from seatrial.profiling.evidence import PROFILED, SURVEYED
from seatrial.steps.measuring import offered_cells, options_of
from seatrial.steps.not_quiet import not_quiet
from seatrial.steps.present import production_load
from seatrial.steps.run import Run


def choose_hardware(run: Run, model_id: int) -> dict[str, Any]:
    """The scaling policy as JSON. Raises Refused with the figures when nothing was measured or nothing will do, and
    MachineNotQuiet when that is not known, because of options that could not be measured."""
    options = options_of(run)
    measured, surveyed = (offered_cells(run, model_id, kind, options) for kind in (PROFILED, SURVEYED))
    unknown = [f"{found.option.name}: {found.reason}" for found in not_quiet(run, model_id)]
    if unknown and not any(cell.capacity.feasible for cell in measured):
        raise MachineNotQuiet(f"which hardware will do is not known: {'; '.join(unknown)}")
    for line in unknown:
        run.progress(f"not measured: {line}")
    choice = choose(measured, surveyed)
    policy = policy_from(run, choice.cell)
    told = answer(choice.cell, [*surveyed, *measured], policy, _peak(run, choice.cell))
    parts = {"choice": choice, "policy": policy, "answer": told}
    document = {name: part.model_dump(mode="json") for name, part in parts.items()}
    run.api.add_evidence(model_id, "ChooseHardware", "choice", run.id, document)
    _tell(run, choice)
    run.progress(f"target per replica: {policy.explanation}")
    run.progress(told.paragraph)
    return policy.model_dump(mode="json")


def policy_from(run: Run, cell: Cell) -> ScalingPolicy:
    """The policy of a measured cell for the load that the manifest states, or for what Production has now if more."""
    return derive(cell, now_ms=int(time.time() * 1000), trough=_stated(run, cell), peak=_peak(run, cell))


def _stated(run: Run, cell: Cell) -> float:
    """Requests/s that the manifest names; 0 without."""
    return float(run.api.version(cell.model_id)["manifest"]["objective"].get("requests_per_s") or 0.0)


def _peak(run: Run, cell: Cell) -> float:
    """What has to be carried, requests/s: what is stated, or what Production has now if more; 0 without either."""
    return max(_stated(run, cell), production_load(run, cell.model) or 0.0)


def _tell(run: Run, choice: Choice) -> None:
    for line in capacity_table(choice.table).splitlines():
        run.progress(line)
    run.progress(choice.sentence)
