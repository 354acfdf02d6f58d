"""A throw-away Inference Server as a context: ready inside, gone outside, and gone by its lease when we are killed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from seatrial.errors import SeatrialError, ServerFailed, TryAgain
from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving.spec import Replica
from seatrial.steps.run import Run
from seatrial.waiting import wait_until

LEASE_S = 30.0


@contextmanager
def trial_server(
    run: Run,
    served: ServedModel,
    option: HardwareOption,
    *,
    purpose: str,
    upload: str | None = None,
    model_id: int | None = None,
    measured: bool = False,
) -> Iterator[Replica]:
    """Start a trial server and wait until the model has answered a warm-up request.

    A server that the same run started for the same purpose and lost, because its worker was killed, is stopped first.
    One that is to be `measured` has its cores and its GPU to itself among such; DeviceTaken while it would not.
    Raises ServerFailed with the server log's last lines when it cannot serve the model, TryAgain when it was the
    machine that failed it: that says nothing of the model.
    """
    replica = run.api.start_trial(
        served=served.model_dump(mode="json"),
        option=option.model_dump(mode="json"),
        purpose=f"{purpose}, run {run.id}",
        upload=upload,
        model_id=model_id,
        lease_s=LEASE_S,
        measured=measured,
    )
    trial_id = str(replica["id"])
    stop = threading.Event()
    renewing = threading.Thread(target=_renew, args=(run, trial_id, stop), name="lease", daemon=True)
    renewing.start()
    try:
        yield wait_until(lambda: _ready(run, trial_id), run.deadline, f"trial server {trial_id} is ready")
    finally:
        stop.set()
        renewing.join()
        run.api.stop_trial(trial_id)


def _ready(run: Run, trial_id: str) -> Replica | None:
    replica = Replica.model_validate(run.api.trial(trial_id))
    if replica.machine_failed:
        raise TryAgain(f"the machine failed the Inference Server: {replica.error}")
    if replica.state in ("failed", "stopped"):
        tail = "\n  ".join(replica.log_tail)
        raise ServerFailed(f"the Inference Server could not serve the model: {replica.error}\n  {tail}".rstrip())
    return replica if replica.state == "ready" else None


def _renew(run: Run, trial_id: str, stop: threading.Event) -> None:
    while not stop.wait(LEASE_S / 3):
        try:
            run.api.renew_trial(trial_id, LEASE_S)
        except SeatrialError as error:  # the manager may be restarting; the lease outlasts two missed renewals
            run.progress(f"lease of trial server {trial_id} not renewed: {error}")
