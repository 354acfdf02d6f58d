"""The other replicas of a shared GPU: started beside the one that is measured, and gone with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from seatrial.client.transport import EncodedRequest
from seatrial.errors import SeatrialError
from seatrial.hardware import HardwareOption
from seatrial.profiling.driving import Driver
from seatrial.profiling.sharing import neighbours_of
from seatrial.served_model import ServedModel
from seatrial.serving.spec import Replica
from seatrial.steps.run import Run
from seatrial.steps.trial import trial_server
from seatrial.words import counted


@dataclass(frozen=True)
class Neighbours:
    """`driver` sends to all `count` of them; `missing`: why there are fewer than the GPU has room for."""

    driver: Driver
    count: int
    missing: str | None


@contextmanager
def neighbours(
    run: Run,
    served: ServedModel,
    option: HardwareOption,
    replica: Replica,
    requests: Sequence[EncodedRequest],
    *,
    purpose: str,
    model_id: int,
) -> Iterator[Neighbours | None]:
    """Those of `replica`, on its GPU; None for an option that shares none. They need not have their cores for
    themselves.

    One that does not start is no failure of the one that is measured: as many as did are driven.
    """
    wanted = neighbours_of(option)
    if replica.gpu is None or not wanted:
        yield None
        return
    beside = option.model_copy(update={"gpu_uuid": replica.gpu.uuid})
    found: list[str] = []
    missing = None
    with ExitStack() as running:
        for number in range(1, wanted + 1):
            trial = trial_server(run, served, beside, purpose=f"neighbour {number} of {purpose}", model_id=model_id)
            try:
                found.append(running.enter_context(trial).grpc_address or "")
            except SeatrialError as error:
                missing = f"{wanted - len(found)} of {wanted} neighbours on the GPU did not start: {error.message}"
                break
        run.progress(missing or f"{counted(wanted, 'neighbour')} on {replica.gpu.model}: the rest of its shares")
        yield Neighbours(running.enter_context(Driver(found, requests)), len(found), missing)
