"""What servers are sent while they are measured: live requests as callers mix them, else the upload's samples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate, takewhile
from typing import Any

from seatrial.client.transport import EncodedRequest, GrpcTransport, encode
from seatrial.errors import NotFound, SeatrialError, ServerFailed
from seatrial.served_model import ServedModel
from seatrial.steps.requests import completed, samples_of, stand_ins_of
from seatrial.steps.run import Run
from seatrial.tensors import Tensors, from_npz

PAYLOAD = "Payload"
LEAST = 20
"""Captured requests: with fewer the samples, which somebody chose, say more about shapes and mix."""
MOST, MOST_BYTES = 200, 64 * 2**20
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Payload:
    """`requests` are sent by turns; `digests` say which they are, whatever the version. `live`: callers sent them; a
    server may refuse some for what is in them."""

    requests: tuple[EncodedRequest, ...]
    digests: tuple[bytes, ...]
    live: bool


def payload_of(run: Run, version: dict[str, Any], served: ServedModel) -> Payload:
    """The same for all measurements of a run, so that options differ in nothing else: which captures these are is kept
    as evidence. Raises Refused where there are no samples either."""
    tensors: list[Tensors] = list(_captured(run, version, served))
    live = len(tensors) >= LEAST
    if not live:
        tensors = [inputs for _, inputs in samples_of(run, version, served)]
    return Payload(
        requests=tuple(encode(served.name, served.version, inputs) for inputs in tensors),
        digests=tuple(sha256(encode(served.name, 1, inputs).payload).digest() for inputs in tensors),
        live=live,
    )


def answered(run: Run, payload: Payload, address: str) -> tuple[EncodedRequest, ...]:
    """The requests without those live ones that the server refuses: a caller's mistake is no failure of the model.

    Raises ServerFailed where it answers none.
    """
    if not payload.live:
        return payload.requests
    found, why = [], ""
    with GrpcTransport() as transport:
        for request in payload.requests:
            try:
                transport.send(address, request, TIMEOUT_S)
                found.append(request)
            except SeatrialError as error:
                why = str(error)
    if not found:
        raise ServerFailed(f"the server answers none of {len(payload.requests)} captured requests: {why}")
    if why:
        left = len(payload.requests) - len(found)
        run.progress(f"{left} of {len(payload.requests)} captured requests are left out: {why}")
    return tuple(found)


def _captured(run: Run, version: dict[str, Any], served: ServedModel) -> Iterator[Tensors]:
    """Those of this run that are still there and fit the version's inputs."""
    stand_ins = stand_ins_of(run, version, served)
    for capture in _chosen(run, version):
        with suppress(NotFound):
            inputs = completed(from_npz(run.api.capture(version["model"], capture)), served, stand_ins)
            if inputs is not None:
                yield inputs


def _chosen(run: Run, version: dict[str, Any]) -> list[str]:
    """The ids of the newest captures as the run saw them first."""
    model_id = version["model_id"]
    for one in run.api.evidence(model_id, PAYLOAD):
        if one["run"] == run.id:
            return [str(capture) for capture in one["document"]["captures"]]
    newest = run.api.captures(version["model"], MOST)
    few = takewhile(lambda total: total <= MOST_BYTES, accumulate(capture["bytes"] for capture in newest))
    found = [str(capture["id"]) for capture, _ in zip(newest, few, strict=False)]
    chosen = found if len(found) >= LEAST else []
    document = {"captures": chosen, "samples": version["manifest"]["samples"]}
    run.api.add_evidence(model_id, PAYLOAD, "captures", run.id, document)
    return chosen
