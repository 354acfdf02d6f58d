"""Step 5: how much load one replica carries on one hardware option. A large matrix takes three stages: a survey, a
measurement of what can still win, a long level for the best two (`profiling.pruning`).

What was measured before, in this run or in an earlier one of the same files on the same machine, is not measured again
unless something disturbed it. `anew`: neither of them counts, so that a task that is cleared measures. A later stage
builds on what this run found in the stage before either way.
"""

from __future__ import annotations

import json
from typing import Any

from seatrial.hardware import HardwareOption
from seatrial.nvml import find_gpus
from seatrial.profiling.bench import Bench
from seatrial.profiling.capacity import measure_capacity, survey_capacity, verify_capacity
from seatrial.profiling.cell import Capacity, Cell
from seatrial.profiling.evidence import PROFILED, SURVEYED, offered
from seatrial.profiling.matrix import in_order
from seatrial.profiling.options import why_impossible
from seatrial.profiling.pruning import (
    FINALISTS,
    LEAST,
    SPARE,
    Surveyed,
    next_to_measure,
    next_to_verify,
    places,
    why_not_survey,
)
from seatrial.profiling.same_measurement import for_objective
from seatrial.steps.measuring import (
    Subject,
    cells,
    keep,
    kept,
    measured,
    offered_cells,
    options_in,
    options_of,
    subject,
)
from seatrial.steps.run import Run


def hardware_options(run: Run, only: Any) -> list[dict[str, Any]]:
    """The manager's options, or those that `only` names (a list, or its JSON text), in the order of measuring."""
    names = json.loads(only) if isinstance(only, str) else list(only)
    return [o.model_dump(mode="json") for o in in_order(options_of(run)) if not names or o.name in names]


def stages(options: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """What each stage is mapped over. So few options that all could be measured anyway are measured one by one. Of more
    all are surveyed; which of them are measured and verified then, the tasks find out: these are mapped over places."""
    if len(options) <= LEAST:
        return {"survey": [], "measure": options, "verify": []}
    return {"survey": options, "measure": [*range(places(len(options)))], "verify": [*range(FINALISTS + SPARE)]}


def impossible(run: Run, model_id: int, option: dict[str, Any]) -> str | None:
    """Why the manager's machine cannot run the version on the option; None when it can."""
    return _impossible(run, run.api.health(), model_id, HardwareOption.model_validate(option))


def why_no_survey(run: Run, model_id: int, option: dict[str, Any]) -> str | None:
    """Why the option is not surveyed: impossible here, or what this run surveyed so far shows that it cannot win."""
    health, asked = run.api.health(), HardwareOption.model_validate(option)
    found = [*map(Surveyed.of, offered_cells(run, model_id, SURVEYED, options_in(health)))]
    return _impossible(run, health, model_id, asked) or why_not_survey(asked, found)


def to_measure(run: Run, model_id: int, wanted: dict[str, Any] | int) -> dict[str, Any] | None:
    """An option as it is; for a place the most promising one of this run's survey, None when none can still win."""
    if isinstance(wanted, dict):
        return wanted
    found = next_to_measure(*_found_so_far(run, model_id), wanted)
    return None if found is None else found.model_dump(mode="json")


def survey_hardware(run: Run, model_id: int, option: dict[str, Any], *, anew: bool = False) -> dict[str, Any]:
    """Stage A. The estimate of an earlier measurement is taken over, for another objective too."""
    of = subject(run, model_id, option)
    same = None if anew else kept(run, of, SURVEYED) or kept(run, of, PROFILED)
    if same is None:
        return keep(run, measured(run, of, survey_capacity), SURVEYED)
    run.progress(f"{same.key}: not measured again, unless anew: known from {same.capacity.seconds:.0f} s of load")
    return keep(run, _for(of, same), SURVEYED)


def profile_hardware(run: Run, model_id: int, option: dict[str, Any], *, anew: bool = False) -> dict[str, Any]:
    """Stage B, and all of a small matrix: the full capacity search. `anew` adds a long level where one has verified the
    option before, in whichever run: no less is known of it afterwards."""
    of = subject(run, model_id, option)
    same = None if anew else kept(run, of, PROFILED)
    if same is not None and same.objective == of.objective:
        run.progress(f"{same.key}: not measured again, unless anew")
        return keep(run, same, PROFILED)
    known = _of_run(run, of, SURVEYED) or (None if same is None else _for(of, same))
    verify = anew and was_verified(run, model_id, of.option)

    def measure(bench: Bench) -> Capacity:
        found = measure_capacity(bench, _capacity(known))
        return verify_capacity(bench, found) if verify and found.feasible else found

    return keep(run, measured(run, of, measure, known), PROFILED)


def verify_hardware(run: Run, model_id: int, option: dict[str, Any]) -> dict[str, Any]:
    """Stage C: a long level, after the search where there was none; what it shows replaces the cell of stage B."""
    of = subject(run, model_id, option)
    before, surveyed = _of_run(run, of, PROFILED), _of_run(run, of, SURVEYED)

    def measure(bench: Bench) -> Capacity:
        found = _capacity(before) or measure_capacity(bench, _capacity(surveyed))
        return verify_capacity(bench, found) if found.feasible else found

    return keep(run, measured(run, of, measure, before or surveyed), PROFILED)


def to_verify(run: Run, model_id: int, place: int) -> dict[str, Any] | None:
    """The option to verify at that place, measured or not; None when none is left that could win."""
    found = next_to_verify(*_found_so_far(run, model_id), place)
    return None if found is None else found.model_dump(mode="json")


def was_verified(run: Run, model_id: int, option: HardwareOption) -> bool:
    """Whether any run gave the option a long level."""
    return any(cell.capacity.verified_s for cell in cells(run, model_id, PROFILED) if offered([cell], [option]))


def _impossible(run: Run, health: dict[str, Any], model_id: int, option: HardwareOption) -> str | None:
    weights_bytes = run.api.model_bytes(model_id) if option.device == "gpu" else None
    return why_impossible(option, health["machine"]["cores"], find_gpus(), weights_bytes)


def _found_so_far(run: Run, model_id: int) -> tuple[list[Surveyed], list[Cell]]:
    """What this run surveyed and what it measured, both of the same options."""
    options = options_of(run)
    surveyed, profiled = (offered_cells(run, model_id, kind, options) for kind in (SURVEYED, PROFILED))
    return [*map(Surveyed.of, surveyed)], profiled


def _of_run(run: Run, of: Subject, kind: str) -> Cell | None:
    """What this run found of the option so far."""
    found = offered(cells(run, of.version["model_id"], kind, of_run=True), [of.option])
    return found[0] if found else None


def _capacity(cell: Cell | None) -> Capacity | None:
    return None if cell is None else cell.capacity


def _for(of: Subject, cell: Cell) -> Cell:
    """A cell for the objective of the subject."""
    if cell.objective == of.objective and cell.capacity.method in ("survey", "infeasible"):
        return cell
    capacity = for_objective(cell.capacity, of.objective, of.option.instances)
    return cell.model_copy(update={"objective": of.objective, "capacity": capacity})
