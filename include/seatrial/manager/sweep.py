"""Servers never outlive their purpose: what no stage and no lease needs any more is stopped here, and only here."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from seatrial.errors import SeatrialError

if TYPE_CHECKING:
    from seatrial.manager.composition import InferenceManager

log = logging.getLogger(__name__)

UNSTAGED_GRACE_S = 900.0  # a deployment is started before its stage is moved; a run killed in between leaves one
DRAIN_S = 3.0  # clients hear of a move within a second and requests take less; then the old server may go


def purpose_ended(stage: str, *, moved_at_ms: int, wanted_at_ms: int, now_ms: int, grace_s: float) -> bool:
    """Whether a deployment has lost its purpose (pure).

    In Staging or Production: never. Moved away after it was wanted: yes. Not staged yet: once the grace is over.
    """
    if stage in ("Staging", "Production"):
        return False
    if moved_at_ms >= wanted_at_ms:
        return True
    return now_ms - wanted_at_ms > grace_s * 1000


class Sweep:
    """A thread that looks every second; `now` may be called by anyone who knows that something ended."""

    def __init__(self, manager: InferenceManager, every_s: float = 1.0) -> None:
        self._manager = manager
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                sweep(self._manager)
            except SeatrialError as error:
                log.warning("sweep: %s", error)
            except Exception:
                log.exception("sweep failed; it is tried again")


def sweep(manager: InferenceManager) -> None:
    """Stop trial servers whose lease has passed, and deployments whose version left its stage."""
    manager.backend.reap()
    now_ms = int(time.time() * 1000)
    for deployment in manager.deployments.all():
        spec = deployment.spec
        if deployment.state in ("draining", "stopped"):
            continue
        moves = [m for m in manager.registry.ledger(spec.served.name) if m.environment == spec.environment]
        touching = [m for m in moves if spec.served.version in (m.version, m.displaced)]
        stage = "None"
        if touching:
            last = touching[-1]
            stage = "Archived" if last.displaced == spec.served.version else last.to_stage
        if purpose_ended(
            stage,
            moved_at_ms=touching[-1].at_ms if touching else 0,
            wanted_at_ms=deployment.wanted_at_ms,
            now_ms=now_ms,
            grace_s=UNSTAGED_GRACE_S,
        ):
            log.info("%s@%d is %s: its servers are drained and stopped", spec.served.name, spec.served.version, stage)
            manager.deployments.drop(spec.model_id, spec.environment, drain_s=DRAIN_S)
