"""Inference Servers as processes of this machine. What is known of each is on disk: any manager can go on with them."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

from seatrial.errors import NotFound, SeatrialError, ServerFailed
from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving import processes
from seatrial.serving.cores import pick_cores
from seatrial.serving.ports import is_port_clash, pick_ports
from seatrial.serving.probe import Probe
from seatrial.serving.record import ServerRecord, read_record, write_record
from seatrial.serving.spec import Replica
from seatrial.serving.triton_repository import CopyFiles, write_repository
from seatrial.serving.tritonserver import TritonInstallation, remove_shared_memory
from seatrial.tensors import Tensors
from seatrial.waiting import Deadline, wait_until

log = logging.getLogger(__name__)

START_LIMIT_S = 120.0
TERM_GRACE_S = 25.0  # tritonserver is told to finish its requests within 20 s


class LocalBackend:
    """Servers below one folder, a sub-folder each: `server.json`, the Triton model repository, the log.

    Only one manager uses a folder at a time. `adopt` makes it know what a former manager left running.
    """

    def __init__(self, folder: Path, installation: TritonInstallation) -> None:
        self._folder, self._installation = folder, installation
        self._lock = threading.RLock()
        self._records: dict[str, ServerRecord] = {}
        self._stopping: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def adopt(self) -> None:
        """Take over the servers found on disk: live ones as they are, half-started ones are started to the end."""
        for path in sorted(self._folder.iterdir()):
            record = read_record(path)
            if record is None or record.process is None:
                self._remove(path.name, None, grace_s=0.0)
                continue
            with self._lock:
                self._records[record.id] = record
            if record.started_in_s is None and processes.is_alive(record.process):
                self._in_thread(record.id, None)

    def start_replica(
        self,
        served: ServedModel,
        option: HardwareOption,
        purpose: str,
        copy_files: CopyFiles,
        *,
        owner: str | None = None,
        lease_s: float | None = None,
        warmup: Tensors | None = None,
    ) -> str:
        """Start a server and return its id at once; `observe` tells when it is ready or why it failed.

        With `lease_s` it is a trial server, removed when the lease passes. Raises Refused for what cannot be served.
        """
        server_id = f"{served.name}-{served.version}-{secrets.token_hex(4)}"
        with self._lock:
            taken = {port for record in self._records.values() for port in record.ports.all()}
            record = ServerRecord(
                id=server_id,
                purpose=purpose,
                owner=owner,
                served=served,
                option=option,
                core_set=pick_cores(
                    option.cores, sorted(os.sched_getaffinity(0)), [r.core_set for r in self._records.values()]
                ),
                ports=pick_ports(taken),
                lease_until=None if lease_s is None else time.monotonic() + lease_s,
            )
            self._records[server_id] = record
        folder = self._folder / server_id
        try:
            folder.mkdir(mode=0o700)
            write_repository(folder / "repository", served, option, copy_files, warmup)
            self._spawn(record)
        except BaseException:
            self._remove(server_id, None, grace_s=0.0)
            raise
        self._in_thread(server_id, warmup)
        return server_id

    def observe(self, server_id: str) -> Replica:
        """The server as it is now. Raises NotFound for one that was removed."""
        record = self._record(server_id)
        alive = record.process is not None and processes.is_alive(record.process)
        if record.error is None and record.process is not None and not alive and server_id not in self._stopping:
            record = self._fail(record, "the server's process ended" + self._status(record))
        return record.observed()

    def owned(self, owner: str) -> list[tuple[ServerRecord, Replica]]:
        """The servers of one deployment, oldest first."""
        with self._lock:
            mine = [record for record in self._records.values() if record.owner == owner]
        found = []
        for record in mine:
            with suppress(NotFound):
                found.append((record, self.observe(record.id)))
        return found

    def drain(self, server_id: str, drain_s: float) -> None:
        """Say that the server gets no new requests; `stop` it when `drain_until` has passed."""
        with self._lock:
            record = self._record(server_id)
            if record.drain_until is None:
                self._keep(record.model_copy(update={"drain_until": time.monotonic() + drain_s}))

    def renew(self, server_id: str, lease_s: float) -> None:
        with self._lock:
            record = self._record(server_id)
            self._keep(record.model_copy(update={"lease_until": time.monotonic() + lease_s}))

    def stop(self, server_id: str) -> None:
        """End the server and remove its folder; returns when both are gone. Raises NotFound when they were."""
        with self._lock:
            record = self._record(server_id)
            if server_id in self._stopping:
                return
            self._stopping.add(server_id)
        try:
            self._remove(server_id, record, grace_s=TERM_GRACE_S)
        finally:
            self._stopping.discard(server_id)

    def reap(self) -> None:
        """Remove trial servers whose lease has passed."""
        with self._lock:
            late = [r for r in self._records.values() if r.lease_until is not None and r.lease_until < time.monotonic()]
        for record in late:
            log.info("trial server %s (%s): its lease has passed", record.id, record.purpose)
            with suppress(NotFound):
                self.stop(record.id)

    def stop_all(self, *, trials_only: bool) -> None:
        """End every server, or every trial server, side by side; returns when all are gone."""
        with self._lock:
            ids = [r.id for r in self._records.values() if r.lease_until is not None or not trials_only]
        threads = [threading.Thread(target=self._stop_quietly, args=(server_id,)) for server_id in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _stop_quietly(self, server_id: str) -> None:
        try:
            self.stop(server_id)
        except NotFound:
            pass
        except SeatrialError as error:
            log.warning("server %s: %s", server_id, error)

    def _spawn(self, record: ServerRecord) -> ServerRecord:
        folder = self._folder / record.id
        command = self._installation.command(folder / "repository", record.served.name, record.ports, record.id)
        process = processes.spawn(
            command, self._installation.environment, folder, folder / "server.log", record.core_set
        )
        started = record.model_copy(update={"process": process})
        self._keep(started)
        return started

    def _in_thread(self, server_id: str, warmup: Tensors | None) -> None:
        name = f"start-{server_id}"
        threading.Thread(target=self._bring_up, args=(server_id, warmup), name=name, daemon=True).start()

    def _bring_up(self, server_id: str, warmup: Tensors | None) -> None:
        began = time.monotonic()
        try:
            record = self._record(server_id)
            try:
                self._wait_ready(record, warmup)
            except ServerFailed:
                if not is_port_clash(processes.log_tail(self._folder / server_id / "server.log")):
                    raise
                record = self._elsewhere(record)
                self._wait_ready(record, warmup)
        except NotFound:
            return
        except SeatrialError as error:
            with suppress(NotFound):
                self._fail(self._record(server_id), str(error))
            return
        with self._lock, suppress(NotFound):
            took = round(time.monotonic() - began, 2)
            self._keep(self._record(server_id).model_copy(update={"started_in_s": took}))
            log.info("server %s (%s) is ready after %.1f s", server_id, record.purpose, took)

    def _wait_ready(self, record: ServerRecord, warmup: Tensors | None) -> None:
        with Probe(f"127.0.0.1:{record.ports.http}", record.id, record.served) as probe:

            def ready() -> bool:
                current = self._record(record.id)
                if current.process is None or not processes.is_alive(current.process):
                    raise ServerFailed("the server ended before its model was ready" + self._status(current))
                return probe.is_ready()

            wait_until(ready, Deadline.after(START_LIMIT_S), "the model is ready", longest_s=0.1)
            probe.warm_up(warmup, START_LIMIT_S)

    def _elsewhere(self, record: ServerRecord) -> ServerRecord:
        """Start once more on other ports."""
        with self._lock:
            taken = {port for known in self._records.values() for port in known.ports.all()}
            moved = record.model_copy(update={"ports": pick_ports(taken), "process": None})
        processes.end(record.process, self._folder / record.id, 0.0)
        return self._spawn(moved)

    def _fail(self, record: ServerRecord, reason: str) -> ServerRecord:
        """A failed server keeps its record, for its reason and its log; its processes are ended."""
        tail = processes.log_tail(self._folder / record.id / "server.log")
        failed = record.model_copy(update={"error": reason, "log_tail": tail})
        with self._lock:
            if record.id not in self._records or record.id in self._stopping:
                return failed
            self._keep(failed)
        log.warning("server %s (%s) failed: %s", record.id, record.purpose, reason)
        processes.end(record.process, self._folder / record.id, 0.0)
        return failed

    def _status(self, record: ServerRecord) -> str:
        status = processes.exit_status(record.process) if record.process else None
        return "" if status is None else f" (status {status})"

    def _record(self, server_id: str) -> ServerRecord:
        with self._lock:
            if server_id not in self._records:
                raise NotFound(f"no Inference Server {server_id!r}", server=server_id)
            return self._records[server_id]

    def _keep(self, record: ServerRecord) -> None:
        with self._lock:
            if record.id in self._records:
                self._records[record.id] = record
                write_record(self._folder / record.id, record)

    def _remove(self, server_id: str, record: ServerRecord | None, grace_s: float) -> None:
        folder = self._folder / server_id
        processes.end(record.process if record else None, folder, grace_s)
        remove_shared_memory(server_id)
        with self._lock:
            self._records.pop(server_id, None)
        shutil.rmtree(folder, ignore_errors=True)
