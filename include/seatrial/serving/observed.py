"""What is told of a deployment: its state by what is wanted and what runs, and the endpoints that it has. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seatrial.serving.desired import Wanted
from seatrial.serving.record import ServerRecord
from seatrial.serving.rollout import Failures
from seatrial.serving.spec import Deployment, DeploymentSpec, Replica


@dataclass(frozen=True)
class Endpoint:
    """Where a deployment answers over gRPC. `weight` is its share of requests, relative to the others: its cores,
    the best guess as long as nothing was measured."""

    address: str
    weight: float


def endpoints(records: Sequence[ServerRecord]) -> tuple[Endpoint, ...]:
    ready = (record for record in records if record.state == "ready")
    return tuple(Endpoint(record.grpc_address, float(record.option.cores)) for record in ready)


def fits(record: ServerRecord, spec: DeploymentSpec) -> bool:
    """Whether the server runs what is wanted: the model, its files and the hardware option."""
    return record.served == spec.served and record.option == spec.option


def observed(
    wanted: Wanted,
    records: Sequence[ServerRecord],
    failures: Failures,
    failed: Replica | None,
    requests_per_s: float | None,
) -> Deployment:
    """`records` are its servers; `failed` is the last replica of it that failed, of `failures` in a row."""
    replicas = tuple(record.observed() for record in records)
    ready = sum(fits(record, wanted.spec) and record.state == "ready" for record in records)
    state: Literal["starting", "ready", "draining", "failed"]
    error = None
    if wanted.dropped:
        state = "draining"
    elif ready >= wanted.spec.replicas:
        state = "ready"
    elif failures.gave_up and failed is not None:
        state, replicas = "failed", (*replicas, failed)
        error = f"{failures.count} replicas in a row failed, the last one: {failed.error}"
    else:
        state = "starting"
    return Deployment(
        spec=wanted.spec,
        wanted_at_ms=wanted.wanted_at_ms,
        state=state,
        replicas=replicas,
        error=error,
        requests_per_s=requests_per_s,
        kept_warm_until_ms=wanted.kept_warm_until_ms,
    )
