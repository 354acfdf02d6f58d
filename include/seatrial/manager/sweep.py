"""Servers never outlive their purpose: what no stage and no lease needs any more is stopped here, and only here."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from seatrial.registry.rules import Ledger
from seatrial.registry.succession import way_back
from seatrial.serving.spec import Deployment

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


def sweep(manager: InferenceManager) -> None:
    """Stop trial servers whose lease has passed, and deployments whose version left its stage.

    The version that Production was just taken over from stays warm for a while, so that a rollback starts nothing.
    """
    manager.backend.reap()
    manager.ledgers.look()
    now_ms = int(time.time() * 1000)
    for deployment in manager.deployments.all():
        if deployment.state in ("draining", "stopped"):
            continue
        spec = deployment.spec
        ledger = manager.ledgers.of(spec.served.name)
        moves = [m for m in ledger if m.environment == spec.environment]
        touching = [m for m in moves if spec.served.version in (m.version, m.displaced)]
        moved_at_ms, stage = 0, "None"
        if touching:
            last = touching[-1]
            moved_at_ms = last.at_ms
            stage = "Archived" if last.displaced == spec.served.version else last.to_stage
        if not purpose_ended(
            stage,
            moved_at_ms=moved_at_ms,
            wanted_at_ms=deployment.wanted_at_ms,
            now_ms=now_ms,
            grace_s=UNSTAGED_GRACE_S,
        ):
            continue
        name = f"{spec.served.name}@{spec.served.version}"
        warm_until_ms = _warm_until_ms(manager, deployment, ledger)
        if warm_until_ms is not None and now_ms < warm_until_ms:
            if deployment.kept_warm_until_ms is None:
                log.info("%s is kept warm for %.0f s: a rollback starts nothing", name, (warm_until_ms - now_ms) / 1000)
            manager.deployments.keep_warm(spec.model_id, spec.environment, warm_until_ms)
            continue
        log.info("%s is %s: its servers are drained and stopped", name, stage)
        manager.deployments.drop(spec.model_id, spec.environment, drain_s=DRAIN_S)


def _warm_until_ms(manager: InferenceManager, deployment: Deployment, ledger: Ledger) -> int | None:
    """By the manager's setting, unless the manifest of the version that took over says otherwise."""
    spec = deployment.spec
    entry = way_back(ledger, spec.environment)
    if entry is None or entry.displaced != spec.served.version:
        return None
    return entry.at_ms + int(1000 * manager.rollover_setting("keep_warm_s", entry))
