"""One option under load: what is to be measured, the trial server that it is measured on, and the cell that is kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from seatrial.client.transport import EncodedRequest, GrpcTransport
from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.nvml import find_gpus
from seatrial.profiling.arrivals import gaps_of
from seatrial.profiling.bench import Bench
from seatrial.profiling.capacity import survey_capacity
from seatrial.profiling.cell import Capacity, Cell, Objective, ServerCounts
from seatrial.profiling.evidence import PROFILED, cells_in, offered
from seatrial.profiling.same_measurement import find_same, measured_as
from seatrial.profiling.sharing import Alone
from seatrial.served_model import ServedModel
from seatrial.serving.placement import named_gpus
from seatrial.serving.spec import Replica
from seatrial.steps.neighbours import Neighbours, neighbours
from seatrial.steps.not_quiet import not_quiet_kept
from seatrial.steps.payload import Payload, answered, payload_of
from seatrial.steps.run import Run
from seatrial.steps.trial import trial_server
from seatrial.words import counted

SEED = 1
VERSIONS = 5
"""Newest versions of a model among which the same measurement is looked for."""


@dataclass(frozen=True)
class Subject:
    """A version on one option under its objective. `key` names the measurement (`measured_as`)."""

    version: dict[str, Any]
    served: ServedModel
    option: HardwareOption
    objective: Objective
    payload: Payload
    machine: str
    inference_server: str
    driver: str
    other_work_cores: float | None
    key: str


def subject(run: Run, model_id: int, option: dict[str, Any]) -> Subject:
    chosen, version, health = HardwareOption.model_validate(option), run.api.version(model_id), run.api.health()
    served = ServedModel.model_validate(version["served"])
    stated = version["manifest"]["objective"]
    gpus = find_gpus()
    machine = f"{health['machine']['processor']}, {health['machine']['cores']} cores"
    payload = payload_of(run, version, served)
    return Subject(
        version=version,
        served=served,
        option=chosen,
        objective=Objective(
            percentile=stated["percentile"],
            latency_ms=stated["latency_ms"],
            gaps=gaps_of(stated.get("arrivals", "poisson"), stated.get("arrival_times_s", ())),
        ),
        payload=payload,
        machine=machine,
        inference_server=health["inference_server"],
        driver=gpus.driver,
        other_work_cores=health["other_work_cores"],
        key=measured_as(
            served.files,
            chosen,
            machine=machine,
            server=health["inference_server"],
            driver=gpus.driver,
            gpus=(gpu.uuid for gpu in named_gpus(chosen, gpus.found)),
            payload=payload.digests,
        ),
    )


def measured(run: Run, of: Subject, measure: Callable[[Bench], Capacity], before: Cell | None = None) -> Cell:
    """The cell that `measure` finds on a trial server, which is gone afterwards. `before`: what it goes on from.

    On a share of a GPU it measures beside the neighbours that the rest of it holds, after a survey without them, where
    `before` has none: what it did alone is to be compared with what it did beside them then.
    Raises MachineNotQuiet, kept too.
    """
    purpose = f"profile of {of.served.name}@{of.served.version} on {of.option.name}"
    model_id, option, alone = of.version["model_id"], of.option, before.alone if before else None
    with trial_server(run, of.served, option, purpose=purpose, model_id=model_id, measured=True) as replica:
        noted = not_quiet_kept(run, model_id, option, of.objective, of.machine)
        requests = answered(run, of.payload, replica.grpc_address or "")
        beside = neighbours(run, of.served, option, replica, requests, purpose=purpose, model_id=model_id)
        with _kept_off(set(replica.core_set)) as apart, noted, beside as others:
            if others is not None and alone is None:
                alone = _alone(_bench(run, of, replica, requests), others)
            bench = replace(_bench(run, of, replica, requests), neighbours=others.driver if others else None)
            capacity = _noted(measure(bench), others)
        counts = _counts(replica, of.served)
    run.progress(
        f"Triton counted {counts.requests} requests in {counts.executions} executions of"
        f" {1000 * counts.compute_s / max(1, counts.executions):.1f} ms"
    )
    return Cell(
        **_identity(of),
        capacity=capacity,
        machine=of.machine,
        inference_server=of.inference_server,
        driver=of.driver,
        shared_cores=not apart,
        started_in_s=replica.started_in_s or 0.0,
        server=counts,
        alone=alone,
        at_ms=int(time.time() * 1000),
    )


def kept(run: Run, of: Subject, kind: str) -> Cell | None:
    """The same measurement of an earlier run, of this version or another one with the same files, as a cell of this
    version; its figures, its `at_ms`, and the objective that it was made for, are as they were."""
    versions = [v for v in run.api.model(of.served.name)["versions"] if v["served"]["files"] == of.served.files]
    newest = sorted(versions, key=lambda version: -version["version"])[:VERSIONS]
    found = (cell for version in newest for cell in cells(run, version["model_id"], kind))
    same = find_same(found, of.key, of.objective, int(time.time() * 1000))
    if same is None:
        return None
    return same.model_copy(update={**_identity(of), "objective": same.objective})


def cells(run: Run, model_id: int, kind: str, *, of_run: bool = False) -> list[Cell]:
    """The cells in the evidence of a version, newest first; with `of_run` only those of this run."""
    return cells_in((one for one in run.api.evidence(model_id, kind) if not of_run or one["run"] == run.id), kind)


def options_of(run: Run) -> list[HardwareOption]:
    """The options that the manager has now."""
    return options_in(run.api.health())


def options_in(health: dict[str, Any]) -> list[HardwareOption]:
    return [HardwareOption.model_validate(option) for option in health["options"]]


def offered_cells(run: Run, model_id: int, kind: str, options: Sequence[HardwareOption]) -> list[Cell]:
    """What this run found of the options, which are those that the manager has now: at their price now."""
    return offered(cells(run, model_id, kind, of_run=True), options)


def cell_of_run(run: Run, model_id: int, option: str) -> Cell:
    """What this run measured on the option of that name. Raises Refused when it did not."""
    for cell in cells(run, model_id, PROFILED, of_run=True):
        if cell.option.name == option:
            return cell
    raise Refused(f"this run did not measure {option} for model id {model_id}", field="option", value=option)


def keep(run: Run, cell: Cell, kind: str) -> dict[str, Any]:
    """Keep the cell as evidence of this run; returns its figures."""
    capacity = cell.capacity
    run.api.add_evidence(cell.model_id, kind, cell.option.name, run.id, cell.model_dump(mode="json"))
    for finding in capacity.findings:
        run.progress(f"{cell.key}: the model {finding}")
    run.progress(f"{cell.key}: {capacity.lambda_max:g} requests/s ({capacity.method}), saturation {capacity.mu:g}")
    return {
        "option": cell.option.name,
        "lambda_max": capacity.lambda_max,
        "mu": capacity.mu,
        "p99_ms": capacity.p99_ms,
    }


def _identity(of: Subject) -> dict[str, Any]:
    return {
        "key": f"{of.served.name}@{of.served.version}/{of.option.name}",
        "measured_as": of.key,
        "model": of.served.name,
        "version": of.served.version,
        "model_id": of.version["model_id"],
        "tree_digest": of.version["tree_digest"],
        "option": of.option,
        "objective": of.objective,
    }


def _bench(run: Run, of: Subject, replica: Replica, requests: Sequence[EncodedRequest]) -> Bench:
    assert replica.grpc_address is not None
    return Bench(
        address=replica.grpc_address,
        pid=replica.pid,
        requests=requests,
        instances=of.option.instances,
        max_batch=of.option.max_batch,
        objective=of.objective,
        progress=run.progress,
        seed=SEED,
        gpu=replica.gpu.uuid if replica.gpu else None,
        core_set=replica.core_set,
        other_work_cores=of.other_work_cores,
    )


def _alone(bench: Bench, others: Neighbours) -> Alone:
    found = survey_capacity(bench)
    bench.progress(
        f"alone on its GPU: saturation {found.mu:.1f} requests/s; now beside {counted(others.count, 'neighbour')}"
    )
    return Alone(neighbours=others.count, mu=found.mu, lambda_max=found.lambda_max)


def _noted(capacity: Capacity, others: Neighbours | None) -> Capacity:
    """With a note, so that it is measured again, where neighbours were missing."""
    if others is None or others.missing is None or others.missing in capacity.notes:
        return capacity
    return capacity.model_copy(update={"notes": (*capacity.notes, others.missing)})


def _counts(replica: Replica, served: ServedModel) -> ServerCounts:
    assert replica.grpc_address is not None
    with GrpcTransport() as transport:
        return ServerCounts(**asdict(transport.model_statistics(replica.grpc_address, served.name, served.version)))


@contextmanager
def _kept_off(server_cores: set[int]) -> Iterator[bool]:
    """Keep the load generator off the server's cores; False when it would have none left and shares them."""
    everywhere = os.sched_getaffinity(0)
    own = everywhere - server_cores
    os.sched_setaffinity(0, own or everywhere)
    try:
        yield bool(own)
    finally:
        os.sched_setaffinity(0, everywhere)
