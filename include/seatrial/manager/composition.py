"""The composition root: the parts of the Inference Manager, put together once."""

from __future__ import annotations

import logging
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from seatrial.errors import SeatrialError
from seatrial.hardware import HardwareOption
from seatrial.manager.captures import CaptureStore
from seatrial.manager.discovery import document
from seatrial.manager.editions import Editions
from seatrial.manager.gauges import Gauges
from seatrial.manager.ledgers import Ledgers
from seatrial.manager.metrics import Metrics
from seatrial.manager.news import News
from seatrial.manager.relay import Relay
from seatrial.manager.replica_events import ReplicaEvents
from seatrial.manager.rollovers import Rollovers
from seatrial.manager.sweep import sweep
from seatrial.manager.ticker import Ticker
from seatrial.manager.watch import Watch
from seatrial.nvml import find_gpus
from seatrial.profiling.options import load_options, machine_options
from seatrial.registry.entities import Stage, StageMove
from seatrial.registry.mlmd_store import Registry
from seatrial.registry.rules import stage_of
from seatrial.serving.deployments import Deployments
from seatrial.serving.local import LocalBackend
from seatrial.serving.mps_daemons import MpsDaemons
from seatrial.serving.spec import DeploymentSpec
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.serving.watch import Limits
from seatrial.settings import Settings
from seatrial.storage.artifacts import ArtifactStore
from seatrial.storage.location import open_storage
from seatrial.uploads.roots import UploadRoot, open_roots

log = logging.getLogger(__name__)


@dataclass
class InferenceManager:
    """Everything that a route may use. Build with `assemble`, then `start`; `stop` ends what `start` began."""

    settings: Settings
    registry: Registry
    artifacts: ArtifactStore
    uploads: tuple[UploadRoot, ...]
    backend: LocalBackend
    deployments: Deployments
    captures: CaptureStore
    options: tuple[HardwareOption, ...]
    news: News
    metrics: Metrics
    replica_events: ReplicaEvents
    rollovers: Rollovers
    inference_server: str
    ledgers: Ledgers = field(init=False)
    editions: Editions = field(init=False)
    relay: Relay = field(init=False, default_factory=Relay)

    def __post_init__(self) -> None:
        self.ledgers = Ledgers(self.registry, self.news.changed)
        self.editions = Editions(lambda: document(self), self.news)
        self.metrics.registry.register(Gauges(self))

    @classmethod
    def assemble(cls, settings: Settings) -> InferenceManager:
        settings.home.mkdir(parents=True, exist_ok=True)
        (settings.home / "manager").mkdir(exist_ok=True, mode=0o700)  # captured requests can hold personal data
        artifacts = ArtifactStore(open_storage(settings.artifacts, "SEATRIAL_ARTIFACTS", settings.hdfs_token))
        installation = TritonInstallation.find(settings.triton, settings.home / "triton")
        news, metrics = News(), Metrics()
        replica_events, rollovers = ReplicaEvents(metrics), Rollovers(metrics, since_ms=_now_ms())
        options = _options(settings)
        mps = MpsDaemons(settings.home / "mps", options)
        backend = LocalBackend(settings.servers, installation, limits=_limits(settings), gpus=find_gpus(), mps=mps)
        backend.on_record(replica_events.told)

        def changed() -> None:
            rollovers.told(deployments.all(), _now_ms())
            news.changed()

        deployments = Deployments(
            backend, settings.home / "manager" / "deployments", copy_files=artifacts.copy_to, changed=changed
        )
        return cls(
            settings=settings,
            registry=Registry(settings.registry, failed=lambda error: metrics.registry_errors.labels(error.code).inc()),
            artifacts=artifacts,
            uploads=open_roots(settings.uploads, settings.hdfs_token),
            backend=backend,
            deployments=deployments,
            captures=CaptureStore(open_storage(settings.captures, "SEATRIAL_CAPTURES", settings.hdfs_token)),
            options=options,
            news=news,
            metrics=metrics,
            replica_events=replica_events,
            rollovers=rollovers,
            inference_server=installation.identity(),
        )

    def start(self) -> None:
        self.deployments.start()
        self._sweep = Ticker("sweep", lambda: sweep(self))
        self._sweep.start()
        self._watch = Ticker("watch", Watch(self).look)
        self._watch.start()

    def stop(self) -> None:
        """End the manager's own threads; servers go on unless the settings say that they stop with it."""
        self._watch.stop()
        self._sweep.stop()
        self.backend.stop_all(trials_only=True)
        self.deployments.close(stop_servers=self.settings.stop_servers)

    def rollover_setting(self, name: Literal["keep_warm_s", "watch_s"], promotion: StageMove) -> float:
        """Seconds: what the manifest of the promoted version asks for, else the manager's own setting."""
        manifest = self.registry.version(promotion.model, promotion.version).manifest
        asked = manifest.get("rollover", {}).get(name)
        return float(getattr(self.settings, name) if asked is None else asked)

    def stage_of(self, spec: DeploymentSpec) -> Stage | None:
        """Of the version in its environment; None while the registry's store is away and nobody has asked before."""
        try:
            return stage_of(self.ledgers.of(spec.served.name), spec.environment, spec.served.version)
        except SeatrialError:
            return None

    @property
    def machine(self) -> dict[str, object]:
        return {"name": platform.node(), "cores": len(os.sched_getaffinity(0)), "processor": _processor()}


def _limits(settings: Settings) -> Limits:
    return Limits(silent_s=settings.silent_s, hung_s=settings.hung_s, outstanding_s=settings.outstanding_s)


def _options(settings: Settings) -> tuple[HardwareOption, ...]:
    if settings.options_file:
        return load_options(settings.options_file)
    return machine_options(len(os.sched_getaffinity(0)))


def _now_ms() -> int:
    return int(time.time() * 1000)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
