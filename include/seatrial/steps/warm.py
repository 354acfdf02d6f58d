"""New replicas are sent real requests until their first latency is their steady one; clients come only then."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import cycle
from typing import Any

from seatrial.client.transport import EncodedRequest, GrpcTransport, encode
from seatrial.errors import SeatrialError, ServerFailed
from seatrial.rollover.warmth import ROUNDS, Warmth, round_is_over, round_of
from seatrial.served_model import ServedModel
from seatrial.serving.spec import Deployment
from seatrial.steps.requests import captures_of, samples_of
from seatrial.steps.run import Run

CAPTURES = 50  # live requests that are sent by turns with the samples; each is read from the manager first
TIMEOUT_S = 30.0


def warm(run: Run, version: dict[str, Any], deployment: Deployment) -> list[Warmth]:
    """One replica after the other, so that they do not disturb one another; each is told of as it gets warm.

    Raises ServerFailed for a replica that fails a request or is not steady after ROUNDS rounds; nothing is changed.
    """
    requests = _requests(run, version)
    found = []
    with GrpcTransport() as transport:
        for replica in deployment.replicas:
            if replica.state == "ready" and replica.grpc_address is not None:
                found.append(_warm(run, transport, replica.id, replica.grpc_address, requests))
                run.progress(found[-1].sentence)
    return found


def _requests(run: Run, version: dict[str, Any]) -> list[EncodedRequest]:
    served = ServedModel.model_validate(version["served"])
    live = captures_of(run, served.name, served, CAPTURES, set())
    inputs = [request.inputs for request in live] + [inputs for _, inputs in samples_of(run, version, served)]
    return [encode(served.name, served.version, tensors) for tensors in inputs]


def _warm(run: Run, transport: GrpcTransport, replica: str, address: str, requests: Sequence[EncodedRequest]) -> Warmth:
    seen, turns = Warmth(replica=replica, rounds=()), cycle(requests)
    while not seen.warm:
        if len(seen.rounds) == ROUNDS or (run.deadline.passed and seen.rounds):
            raise ServerFailed(f"not warm: {seen.sentence}", replica=replica)
        latencies_s: list[float] = []
        while not round_is_over(latencies_s):
            latencies_s.append(_send(transport, address, next(turns)))
        seen = Warmth(replica=replica, rounds=(*seen.rounds, round_of(latencies_s)))
    return seen


def _send(transport: GrpcTransport, address: str, request: EncodedRequest) -> float:
    began = time.perf_counter()
    try:
        transport.send(address, request, TIMEOUT_S)
    except SeatrialError as error:
        raise ServerFailed(f"a new replica failed a request before any client came: {error}") from error
    return time.perf_counter() - began
