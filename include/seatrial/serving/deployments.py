"""Deployments: what is wanted is on disk, what runs is observed, and one thread brings the two together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from seatrial.errors import NotFound, SeatrialError
from seatrial.serving.local import LocalBackend
from seatrial.serving.record import ServerRecord
from seatrial.serving.spec import Deployment, DeploymentSpec, Replica
from seatrial.serving.triton_repository import CopyFiles
from seatrial.storage.local import atomic_write
from seatrial.tensors import Array, from_npz

log = logging.getLogger(__name__)

EVERY_S = 0.2
TRIES = 3
PAUSES_S = (0.5, 2.0, 5.0)
SCALE_DRAIN_S = 3.0  # clients hear of a change within a second; a request takes less than the rest


class Wanted(BaseModel):
    """One deployment as it stands on disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: DeploymentSpec
    wanted_at_ms: int
    dropped: bool = False
    drain_s: float = 0.0


@dataclass(frozen=True)
class Endpoint:
    """A server that answers; `weight` is proportional to the cores that it has."""

    address: str
    weight: float


@dataclass
class _Trouble:
    """Starts that failed in a row, when to try again, and what the last one said."""

    failures: int = 0
    again_at: float = 0.0
    error: str | None = None
    log_tail: tuple[str, ...] = ()


Pair = tuple[ServerRecord, Replica]


class Deployments:
    """The wishes below one folder, and the backend's servers that fulfil them. Safe for many threads."""

    def __init__(
        self, backend: LocalBackend, folder: Path, *, copy_files: CopyFiles, changed: Callable[[], None]
    ) -> None:
        self._backend, self._folder, self._copy_files, self._changed = backend, folder, copy_files, changed
        self._lock = threading.RLock()
        self._trouble: dict[str, _Trouble] = {}
        self._stopping: dict[str, threading.Thread] = {}
        self._shown: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deployments", daemon=True)
        folder.mkdir(parents=True, exist_ok=True)
        self._wanted = {path.stem: Wanted.model_validate_json(path.read_bytes()) for path in folder.glob("*.json")}

    def start(self) -> None:
        """Adopt what runs, and keep converging from now on."""
        self._backend.adopt()
        self._thread.start()

    def close(self, *, stop_servers: bool) -> None:
        """Stop converging; servers go on unless `stop_servers`. What is wanted stays wanted either way."""
        self._stop.set()
        self._thread.join()
        for thread in list(self._stopping.values()):
            thread.join()
        if stop_servers:
            self._backend.stop_all(trials_only=False)

    def want(self, spec: DeploymentSpec, warmup: bytes | None) -> Deployment:
        """State a wish; servers follow. The same wish again changes nothing, but lets a failed one be tried anew."""
        key = _key(spec.model_id, spec.environment)
        with self._lock:
            if warmup is not None:
                atomic_write(self._folder / f"{key}.npz", warmup)
            self._keep(key, Wanted(spec=spec, wanted_at_ms=int(time.time() * 1000)))
            self._trouble.pop(key, None)
            return self._deployment(key)

    def get(self, model_id: int, environment: str) -> Deployment | None:
        with self._lock:
            key = _key(model_id, environment)
            return self._deployment(key) if key in self._wanted else None

    def all(self) -> list[Deployment]:
        with self._lock:
            return [self._deployment(key) for key in sorted(self._wanted)]

    def drop(self, model_id: int, environment: str, drain_s: float) -> None:
        """Out of discovery at once, stopped after `drain_s`. Nothing to drop is no error."""
        key = _key(model_id, environment)
        with self._lock:
            wanted = self._wanted.get(key)
            if wanted is not None and not wanted.dropped:
                self._keep(key, wanted.model_copy(update={"dropped": True, "drain_s": drain_s}))

    def endpoints(self, model_id: int, environment: str) -> tuple[Endpoint, ...]:
        """The servers that answer now."""
        ready = [replica for _, replica in self._servers(_key(model_id, environment)) if replica.state == "ready"]
        found = self.get(model_id, environment)
        weight = float(found.spec.option.cores) if found else 1.0
        return tuple(Endpoint(replica.grpc_address, weight) for replica in ready if replica.grpc_address)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            for key in list(self._wanted):
                try:
                    with self._lock:
                        self._converge(key)
                except SeatrialError as error:
                    log.warning("deployment %s: %s", key, error)
                except Exception:
                    log.exception("deployment %s: converging failed; it is tried again", key)

    def _converge(self, key: str) -> None:
        wanted, servers = self._wanted[key], self._servers(key)
        self._tell_news(key, servers)
        for record, replica in servers:
            if replica.state == "failed":
                self._count_failure(key, replica)
                self._end(record.id)
            elif record.drain_until is not None and record.drain_until < time.monotonic():
                self._end(record.id)
        if wanted.dropped:
            self._drain([record for record, _ in servers], wanted.drain_s)
            if not servers:
                self._forget(key)
            return
        fitting = [pair for pair in servers if _fits(pair, wanted.spec)]
        if len(fitting) < wanted.spec.replicas:
            self._start_one(key, wanted.spec)
        if sum(replica.state == "ready" for _, replica in fitting) >= wanted.spec.replicas:
            self._trouble.pop(key, None)
            surplus = [record for record, _ in fitting[wanted.spec.replicas :]]
            others = [r for r, replica in servers if r.option != wanted.spec.option and replica.state == "ready"]
            self._drain([*surplus, *others], SCALE_DRAIN_S)

    def _start_one(self, key: str, spec: DeploymentSpec) -> None:
        trouble = self._trouble.setdefault(key, _Trouble())
        if trouble.failures >= TRIES or time.monotonic() < trouble.again_at:
            return
        sample = self._folder / f"{key}.npz"
        warmup = from_npz(sample.read_bytes()) if sample.exists() else None
        purpose = f"{spec.served.name}@{spec.served.version} in {spec.environment}"
        try:
            self._backend.start_replica(
                spec.served, spec.option, purpose, self._copy_files, owner=key, warmup=_inputs_only(spec, warmup)
            )
        except SeatrialError as error:
            self._trouble[key] = _Trouble(TRIES, 0.0, str(error))

    def _count_failure(self, key: str, replica: Replica) -> None:
        failures = self._trouble.get(key, _Trouble()).failures + 1
        pause = PAUSES_S[min(failures, len(PAUSES_S)) - 1]
        again_at = time.monotonic() + pause
        self._trouble[key] = _Trouble(failures, again_at, replica.error, replica.log_tail)

    def _drain(self, records: list[ServerRecord], drain_s: float) -> None:
        for record in records:
            if record.drain_until is None:
                with suppress(NotFound):
                    self._backend.drain(record.id, drain_s)

    def _end(self, server_id: str) -> None:
        """Stop a server without holding anything up: it may take seconds to finish its requests."""
        if server_id in self._stopping:
            return

        def stop() -> None:
            try:
                self._backend.stop(server_id)
            except NotFound:
                pass
            except SeatrialError as error:
                log.warning("server %s: %s", server_id, error)
            finally:
                self._stopping.pop(server_id, None)

        thread = threading.Thread(target=stop, name=f"stop-{server_id}", daemon=True)
        self._stopping[server_id] = thread
        thread.start()

    def _servers(self, key: str) -> list[Pair]:
        return self._backend.owned(key)

    def _tell_news(self, key: str, servers: list[Pair]) -> None:
        """Tell when what discovery shows of this deployment has changed."""
        now = ",".join(sorted(str(r.grpc_address) for _, r in servers if r.state == "ready"))
        if self._shown.get(key, "") != now:
            self._shown[key] = now
            self._changed()

    def _deployment(self, key: str) -> Deployment:
        wanted, servers = self._wanted[key], self._servers(key)
        trouble = self._trouble.get(key, _Trouble())
        ready = [r for record, r in servers if _fits((record, r), wanted.spec) and r.state == "ready"]
        replicas = [replica for _, replica in servers]
        if trouble.failures >= TRIES and not any(r.state == "failed" for r in replicas):
            last = {"id": "last", "state": "failed", "error": trouble.error, "log_tail": trouble.log_tail}
            gone = Replica.model_validate(last)
            replicas = [*replicas, gone]
        enough = len(ready) >= wanted.spec.replicas
        state = "draining" if wanted.dropped else "ready" if enough else "starting"
        if trouble.failures >= TRIES and not enough and not wanted.dropped:
            state = "failed"
        return Deployment.model_validate(
            {
                "spec": wanted.spec,
                "wanted_at_ms": wanted.wanted_at_ms,
                "state": state,
                "replicas": tuple(replicas),
                "error": trouble.error,
            }
        )

    def _keep(self, key: str, wanted: Wanted) -> None:
        self._wanted[key] = wanted
        atomic_write(self._folder / f"{key}.json", wanted.model_dump_json(indent=1).encode())
        self._changed()

    def _forget(self, key: str) -> None:
        del self._wanted[key]
        self._trouble.pop(key, None)
        self._shown.pop(key, None)
        for suffix in ("json", "npz"):
            (self._folder / f"{key}.{suffix}").unlink(missing_ok=True)
        self._changed()


def _key(model_id: int, environment: str) -> str:
    return f"{model_id}-{environment}"


def _fits(pair: Pair, spec: DeploymentSpec) -> bool:
    record, replica = pair
    return record.option == spec.option and replica.state in ("starting", "ready")


def _inputs_only(spec: DeploymentSpec, sample: dict[str, Array] | None) -> dict[str, Array] | None:
    """A sample file may hold expected outputs too."""
    if sample is None:
        return None
    names = {layer.name for layer in spec.served.signature.inputs}
    return {name: array for name, array in sample.items() if name in names}
