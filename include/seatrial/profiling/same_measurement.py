"""Which measurement a figure is of, so that it is not made twice (pure). Source: methods, section 2."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from seatrial.hardware import HardwareOption
from seatrial.profiling.cell import Capacity, Cell, Objective
from seatrial.profiling.queue import Queue
from seatrial.profiling.search import Search
from seatrial.profiling.sharing import neighbours_of

GOOD_FOR_S = 7 * 24 * 3600.0
"""A machine that was as quick last week is believed to be so today; the weekly re-profiling asks again anyway."""
METHOD = 4
"""To be raised with each change of how capacity is found, or of the configuration that a server is measured with: what
was measured before is then measured again."""
HARMLESS = ("no proof of more than", "was discarded")
"""Parts of notes that are no reason to measure again. Any other note says what disturbed the measurement."""


def measured_as(
    files: Mapping[str, str],
    option: HardwareOption,
    *,
    machine: str,
    server: str,
    driver: str,
    gpus: Iterable[str],
    payload: Iterable[bytes],
) -> str:
    """A digest of all that a figure depends on: the model's files, the option without name and price, the machine, the
    server's programs, the GPU driver, the UUIDs of the GPUs that the option may get, the requests (anything that tells
    each from others), and our own method. Not the objective: the same measurement serves another one."""
    asked = option.model_dump(mode="json", exclude={"name", "price"})
    if neighbours := neighbours_of(option):
        asked["neighbours"] = neighbours
    sent = hashlib.sha256()
    for data in payload:
        sent.update(hashlib.sha256(data).digest())
    said = json.dumps(
        [METHOD, dict(files), asked, machine, server, driver, sorted(gpus), sent.hexdigest()], sort_keys=True
    )
    return hashlib.sha256(said.encode()).hexdigest()


def find_same(cells: Iterable[Cell], key: str, objective: Objective, now_ms: int) -> Cell | None:
    """The newest of the cells that measured this and is not too old; one with the same objective before the others.

    One that found no load, or that something disturbed, counts as none: it is measured again. One whose load generator
    shared the server's cores counts: on the same machine it would share them again."""
    oldest_ms = now_ms - 1000 * GOOD_FOR_S
    same = [cell for cell in cells if cell.measured_as == key and cell.at_ms >= oldest_ms and _good(cell.capacity)]
    return max(same, key=lambda cell: (cell.objective == objective, cell.at_ms), default=None)


def disturbances(capacity: Capacity) -> tuple[str, ...]:
    """What disturbed a measurement that found a load, by its notes; those of one that found none say why."""
    notes = capacity.notes if capacity.feasible else ()
    return tuple(note for note in notes if not any(part in note for part in HARMLESS))


def _good(capacity: Capacity) -> bool:
    return capacity.feasible and not disturbances(capacity) and bool(capacity.services_ms)


def for_objective(capacity: Capacity, objective: Objective, instances: int) -> Capacity:
    """What the queue model makes of a measurement's service times for another objective: a survey, without any load.
    Of its levels the two without an objective stay, idle and saturation."""
    queue = capacity.queue or Queue(instances=instances)
    search = Search(capacity.mu, queue, objective.latency_ms / 1000, objective.percentile, objective.gaps)
    if capacity.idle_p50_ms <= objective.latency_ms:
        search.learn([service_ms / 1000 for service_ms in capacity.services_ms])
    low, high = search.interval_unseen() if search.expected else (0.0, 0.0)
    return capacity.model_copy(
        update={
            "feasible": search.expected > 0,
            "method": "survey" if search.expected > 0 else "infeasible",
            "lambda_max": round(search.expected, 2),
            "lambda_low": round(low, 2),
            "lambda_high": round(high, 2),
            "verified_s": 0.0,
            "seconds": 0.0,
            "levels": capacity.levels[:2],
            "notes": () if search.expected else (_why_none(capacity, objective),),
        }
    )


def _why_none(capacity: Capacity, objective: Objective) -> str:
    return (
        f"the queue model finds no load worth paying for with p{objective.percentile:g} ≤ {objective.latency_ms:g} ms:"
        f" idle p50 {capacity.idle_p50_ms:.1f} ms"
    )
