"""Deployments on this machine: what is wanted is kept on disk, and what runs is brought towards it all the time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.errors import NotFound, SeatrialError
from seatrial.serving.desired import Setback, Wanted, WantedStore, key_of
from seatrial.serving.local import LocalBackend
from seatrial.serving.observed import Endpoint, endpoints, fits, observed
from seatrial.serving.record import ServerRecord
from seatrial.serving.rollout import Failures, Seen, next_actions
from seatrial.serving.spec import Deployment, DeploymentSpec, Replica
from seatrial.serving.triton_repository import CopyFiles

log = logging.getLogger(__name__)

DRAIN_S = 3.0
"""How long a replaced replica goes on serving at least: clients learn of the change in milliseconds, the slow ones have
this. Then it ends when nothing is outstanding, see `Server.drain`."""


@dataclass
class _Entry:
    wanted: Wanted
    failures: Failures = field(default_factory=Failures)
    failed: Replica | None = None


class Deployments:
    """The deployments of one backend, converged by a thread of their own from `start` to `close`.

    Every change is written down before it is acted on, so it is enough to make a new object after a crash.
    """

    def __init__(
        self,
        backend: LocalBackend,
        folder: Path,
        *,
        copy_files: CopyFiles,
        changed: Callable[[], None] = lambda: None,
        interval_s: float = 0.5,
        drain_s: float = DRAIN_S,
    ) -> None:
        """`changed` is called, from any thread, after what is wanted or an endpoint has changed."""
        self._backend, self._store, self._copy_files = backend, WantedStore(folder), copy_files
        self._news, self._interval_s, self._drain_s = changed, interval_s, drain_s
        self._entries = {key: self._resumed(key, wanted) for key, wanted in self._store.all().items()}
        self._shown: Mapping[str, Sequence[object]] = {}
        self._lock, self._wake, self._closing = threading.RLock(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="deployments", daemon=True)

    def start(self) -> None:
        """Adopt the servers that run, and keep converging from now on."""
        self._backend.on_change(self._wake.set)
        self._backend.adopt()
        self._thread.start()

    def close(self, *, stop_servers: bool) -> None:
        """End the thread and the backend; the servers with them, or none. What is wanted stays on disk."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._backend.close(stop_servers=stop_servers)

    def want(self, spec: DeploymentSpec, warmup: bytes | None = None) -> Deployment:
        """Have `spec` deployed and return at once what is so far. Safe to repeat.

        More or fewer replicas of the same scale; another hardware option replaces them, new ones ready first. Asking
        again for a failed deployment tries again at once. `warmup` is an .npz that each new replica must answer.
        Raises Refused when this machine cannot run it; what was wanted before then stays.
        """
        key = key_of(spec.model_id, spec.environment)
        self._backend.check(spec.served, spec.option, warmup)
        wanted = Wanted(spec=spec, wanted_at_ms=int(time.time() * 1000))
        with self._lock:
            if warmup is not None:
                self._store.put_warmup(key, warmup)
            self._store.put(key, wanted)
            self._store.forget_setback(key)
            self._entries[key] = _Entry(wanted)
        self.converge()
        return self._deployment(key, self._entries[key])

    def get(self, model_id: int, environment: str = "local") -> Deployment | None:
        """The deployment with what runs for it now; None when there is none, also once a dropped one is gone."""
        key = key_of(model_id, environment)
        with self._lock:
            entry = self._entries.get(key)
            return None if entry is None else self._deployment(key, entry)

    def all(self) -> list[Deployment]:
        with self._lock:
            return [self._deployment(key, entry) for key, entry in sorted(self._entries.items())]

    def drop(self, model_id: int, environment: str = "local", drain_s: float = DRAIN_S) -> None:
        """Take a deployment away: no endpoint from now on, its servers end after `drain_s` at least, once nothing
        is outstanding. Returns at once.

        One that is not there, or is going already, is no error.
        """
        key = key_of(model_id, environment)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.wanted.dropped:
                return
            dropped = entry.wanted.model_copy(update={"dropped": True, "drain_s": drain_s})
            self._store.put(key, dropped)
            entry.wanted = dropped
        self.converge()

    def keep_warm(self, model_id: int, environment: str, until_ms: int) -> None:
        """Mark a deployment that serves no stage any more as kept for a rollback until `until_ms`; `want` ends that.

        Its servers stay as they are. Their cores are given out as if they were free: idle, they cost memory only.
        """
        key = key_of(model_id, environment)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.wanted.dropped or entry.wanted.kept_warm_until_ms == until_ms:
                return
            entry.wanted = entry.wanted.model_copy(update={"kept_warm_until_ms": until_ms})
            self._store.put(key, entry.wanted)
        self.converge()

    def endpoints(self, model_id: int, environment: str = "local") -> tuple[Endpoint, ...]:
        """Where the version answers now: ready replicas only, none for one that is not deployed."""
        return endpoints(self._records(key_of(model_id, environment)))

    def converge(self) -> None:
        """One step towards what is wanted. Does not wait for servers. Safe to call from any thread at any time."""
        with self._lock:
            self._backend.reap()
            self._backend.note_idle(key for key, entry in self._entries.items() if entry.wanted.kept_warm_until_ms)
            for key, entry in list(self._entries.items()):
                try:
                    self._step(key, entry)
                except Exception:  # whatever it is, the other deployments go on
                    log.exception("deployment %s could not be converged", key)
            self._drop_unowned()
            shown = {key: (entry.wanted, *endpoints(self._records(key))) for key, entry in self._entries.items()}
            changed, self._shown = shown != self._shown, shown
        if changed:
            self._news()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.converge()
            except Exception:  # whatever it is, the other deployments need the next round
                log.exception("the deployments could not be converged")
            self._wake.wait(self._interval_s)
            self._wake.clear()

    def _step(self, key: str, entry: _Entry) -> None:
        records, now, dropping = self._records(key), time.monotonic(), entry.wanted.dropped
        for record in records:
            if record.error is not None:
                was_ready_s = 0.0 if record.ready_at is None else now - record.ready_at
                self._note(key, entry, entry.failures.after(record.created, was_ready_s, now), record.observed())
        seen = [Seen(r.id, fits(r, entry.wanted.spec), r.state) for r in records]
        replicas = 0 if dropping else entry.wanted.spec.replicas
        actions = next_actions(replicas, seen, entry.failures.may_start(now))
        for replica_id in actions.remove:
            self._backend.drain(replica_id, 0)
        for replica_id in actions.drain:
            self._backend.drain(replica_id, entry.wanted.drain_s if dropping else self._drain_s)
        for _ in range(actions.start):
            self._start(key, entry, now)
        if dropping and not self._records(key):
            self._store.remove(key)
            del self._entries[key]

    def _start(self, key: str, entry: _Entry, now: float) -> None:
        spec = entry.wanted.spec
        name = f"{spec.served.name} {spec.served.version} in {spec.environment}"
        try:
            self._backend.start_replica(
                spec.served,
                spec.option,
                purpose=f"serves {name}",
                copy_files=self._copy_files,
                owner=key,
                warmup=self._store.warmup(key),
            )
        except SeatrialError as error:
            failed = Replica(id="none", state="failed", started_in_s=None, error=error.message)
            self._note(key, entry, entry.failures.after(now, 0.0, now), failed)

    def _note(self, key: str, entry: _Entry, failures: Failures, failed: Replica) -> None:
        entry.failures, entry.failed = failures, failed
        with suppress(SeatrialError):  # without space the pauses begin anew with the next manager
            at_ms = int((time.time() - time.monotonic() + failures.last_at) * 1000)
            self._store.put_setback(key, Setback(count=failures.count, at_ms=at_ms, replica=failed))

    def _resumed(self, key: str, wanted: Wanted) -> _Entry:
        """A deployment as the manager before left it. The clock may have been set since: no pause becomes longer."""
        setback = self._store.setback(key)
        if setback is None:
            return _Entry(wanted)
        ago_s = max(0.0, time.time() - setback.at_ms / 1000)
        return _Entry(wanted, Failures(setback.count, time.monotonic() - ago_s), setback.replica)

    def _drop_unowned(self) -> None:
        owners = set(self._entries)
        for record in self._backend.records().values():
            if record.owner is not None and record.owner not in owners and record.state != "draining":
                self._backend.drain(record.id, 0)

    def _deployment(self, key: str, entry: _Entry) -> Deployment:
        records = self._records(key)
        load = self._requests_per_s(records)
        return observed(entry.wanted, records, entry.failures, entry.failed, load)

    def _requests_per_s(self, records: Sequence[ServerRecord]) -> float | None:
        """Of the ready replicas together; None when it is not known of one of them, or there is none."""
        try:
            loads = [self._backend.requests_per_s(record.id) for record in records if record.state == "ready"]
        except NotFound:  # it has just ended
            return None
        known = [load for load in loads if load is not None]
        return sum(known) if known and len(known) == len(loads) else None

    def _records(self, key: str) -> list[ServerRecord]:
        return self._backend.records_of(key)
