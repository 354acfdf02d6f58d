"""Step 5: how much load one replica carries on one hardware option."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from typing import Any

from seatrial.client.transport import GrpcTransport, encode
from seatrial.hardware import HardwareOption
from seatrial.nvml import find_gpus
from seatrial.profiling.capacity import Bench, measure_capacity
from seatrial.profiling.cell import Cell, Objective, ServerCounts
from seatrial.profiling.options import why_impossible
from seatrial.served_model import ServedModel
from seatrial.steps.requests import samples_of
from seatrial.steps.run import Run
from seatrial.steps.trial import trial_server

SEED = 1


def hardware_options(run: Run, only: Any) -> list[dict[str, Any]]:
    """The manager's options, or those that `only` names (a list, or its JSON text)."""
    names = json.loads(only) if isinstance(only, str) else list(only)
    return [option for option in run.api.health()["options"] if not names or option["name"] in names]


def impossible(run: Run, option: dict[str, Any]) -> str | None:
    """Why the manager's machine cannot offer the option; None when it can."""
    cores = run.api.health()["machine"]["cores"]
    return why_impossible(HardwareOption.model_validate(option), cores, find_gpus())


def profile_hardware(run: Run, model_id: int, option: dict[str, Any]) -> dict[str, Any]:
    """Measure on a trial server of its own; the cell is kept as evidence and its figures returned."""
    chosen, version, health = HardwareOption.model_validate(option), run.api.version(model_id), run.api.health()
    served = ServedModel.model_validate(version["served"])
    objective = Objective.model_validate(
        {key: version["manifest"]["objective"][key] for key in ("percentile", "latency_ms")}
    )
    requests = [encode(served.name, served.version, inputs) for _, inputs in samples_of(run, version, served)]
    purpose = f"profile of {served.name}@{served.version} on {chosen.name}"
    with trial_server(run, served, chosen, purpose=purpose, model_id=model_id) as replica:
        assert replica.grpc_address is not None
        bench = Bench(
            address=replica.grpc_address,
            pid=replica.pid,
            requests=requests,
            instances=chosen.instances,
            max_batch=chosen.max_batch,
            objective=objective,
            progress=run.progress,
            seed=SEED,
            gpu=replica.gpu.uuid if replica.gpu else None,
        )
        apart = _keep_off(set(replica.core_set))
        capacity = measure_capacity(bench)
        counts = _counts(replica.grpc_address, served)
    cell = Cell(
        key=f"{served.name}@{served.version}/{chosen.name}",
        model=served.name,
        version=served.version,
        model_id=model_id,
        tree_digest=version["tree_digest"],
        option=chosen,
        objective=objective,
        capacity=capacity,
        machine=f"{health['machine']['processor']}, {health['machine']['cores']} cores",
        shared_cores=not apart,
        started_in_s=replica.started_in_s or 0.0,
        server=counts,
        at_ms=int(time.time() * 1000),
    )
    run.api.add_evidence(model_id, "ProfileHardware", chosen.name, run.id, cell.model_dump(mode="json"))
    run.progress(f"{cell.key}: {capacity.lambda_max:g} requests/s ({capacity.method}), saturation {capacity.mu:g}")
    run.progress(
        f"Triton counted {counts.requests} requests in {counts.executions} executions of"
        f" {1000 * counts.compute_s / max(1, counts.executions):.1f} ms"
    )
    return {"option": chosen.name, "lambda_max": capacity.lambda_max, "mu": capacity.mu, "p99_ms": capacity.p99_ms}


def _counts(address: str, served: ServedModel) -> ServerCounts:
    with GrpcTransport() as transport:
        return ServerCounts(**asdict(transport.model_statistics(address, served.name, served.version)))


def _keep_off(server_cores: set[int]) -> bool:
    """Keep the load generator off the server's cores; False when it would have none left and shares them."""
    own = os.sched_getaffinity(0) - server_cores
    if own:
        os.sched_setaffinity(0, own)
    return bool(own)
