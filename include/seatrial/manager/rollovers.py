"""How long deployments take: from wanted to ready, to Production, and from taken away to gone."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from seatrial.manager.metrics import Metrics
from seatrial.registry.entities import StageMove
from seatrial.serving.spec import Deployment

Key = tuple[int, str]


class Rollovers:
    """Is told what is deployed after each change. Counts only what was wanted since `since_ms`, the manager's start:
    of anything older nobody knows how often it was ready before."""

    def __init__(self, metrics: Metrics, since_ms: int) -> None:
        self._metrics, self._since_ms = metrics, since_ms
        self._lock = threading.Lock()
        self._ready: dict[Key, int] = {}  # the wish that each was ready for
        self._leaving: dict[Key, int] = {}  # since when

    def told(self, deployments: Sequence[Deployment], now_ms: int) -> None:
        """The same deployments again change nothing."""
        with self._lock:
            now = {(found.spec.model_id, found.spec.environment): found for found in deployments}
            for key, deployment in now.items():
                if deployment.state == "ready" and deployment.wanted_at_ms > self._ready.get(key, self._since_ms):
                    self._ready[key] = deployment.wanted_at_ms
                    self._observe("ready", now_ms - deployment.wanted_at_ms)
                if deployment.state == "draining":
                    self._leaving.setdefault(key, now_ms)
            for key in self._leaving.keys() - now.keys():
                self._observe("drained", now_ms - self._leaving.pop(key))
            self._ready = {key: wanted_at_ms for key, wanted_at_ms in self._ready.items() if key in now}

    def moved(self, move: StageMove, deployments: Sequence[Deployment]) -> None:
        """A ledger entry that was just written."""
        self._metrics.stage_moves.labels(move.model, move.environment, move.to_stage).inc()
        if move.to_stage != "Production":
            return
        for deployment in deployments:
            spec = deployment.spec
            place = (spec.served.name, spec.served.version, spec.environment)
            if place == (move.model, move.version, move.environment) and deployment.wanted_at_ms > self._since_ms:
                self._observe("moved", move.at_ms - deployment.wanted_at_ms)

    def _observe(self, phase: str, milliseconds: int) -> None:
        self._metrics.rollover_seconds.labels(phase).observe(max(0, milliseconds) / 1000)
