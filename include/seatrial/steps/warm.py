"""New replicas are sent real requests until their first latency is their steady one; clients come only then."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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


@dataclass(frozen=True)
class _Request:
    """`sample`: the upload's own, which every server must answer; live ones are judged by the shadow verdict."""

    encoded: EncodedRequest
    sample: bool


def warm(run: Run, version: dict[str, Any], deployment: Deployment) -> list[Warmth]:
    """One replica after the other, so that they do not disturb one another; each is told of as it gets warm.

    Raises ServerFailed for a replica that fails a sample or is not steady after ROUNDS rounds; nothing is changed.
    """
    requests = _requests(run, version)
    found = []
    with GrpcTransport() as transport:
        for replica in deployment.replicas:
            if replica.state == "ready" and replica.grpc_address is not None:
                send = partial(_send, transport, replica.grpc_address, deque(requests))
                found.append(_warm(run, replica.id, send))
                run.progress(found[-1].sentence)
    return found


def _requests(run: Run, version: dict[str, Any]) -> list[_Request]:
    served = ServedModel.model_validate(version["served"])
    live = captures_of(run, version, served, CAPTURES, set())
    inputs = [(request.inputs, False) for request in live]
    inputs += [(tensors, True) for _, tensors in samples_of(run, version, served)]
    return [_Request(encode(served.name, served.version, tensors), sample) for tensors, sample in inputs]


def _warm(run: Run, replica: str, send: Callable[[], float]) -> Warmth:
    """Rounds of `send`, which returns the seconds that one request took."""
    seen = Warmth(replica=replica, rounds=())
    while not seen.warm:
        if len(seen.rounds) == ROUNDS or (run.deadline.passed and seen.rounds):
            raise ServerFailed(f"not warm: {seen.sentence}", replica=replica)
        latencies_s: list[float] = []
        while not round_is_over(latencies_s):
            latencies_s.append(send())
        seen = Warmth(replica=replica, rounds=(*seen.rounds, round_of(latencies_s)))
    return seen


def _send(transport: GrpcTransport, address: str, turns: deque[_Request]) -> float:
    """The next request in turn that is answered; live ones that are not are left out from then on."""
    while True:
        request, began = turns[0], time.perf_counter()
        turns.rotate(-1)
        try:
            transport.send(address, request.encoded, TIMEOUT_S)
        except SeatrialError as error:
            if request.sample:
                raise ServerFailed(f"a new replica failed a sample before any client came: {error}") from error
            turns.remove(request)
        else:
            return time.perf_counter() - began
