"""The Inference Servers of this machine: started, observed, adopted after a restart, and never left behind."""

from __future__ import annotations

import fcntl
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil

from seatrial.errors import Conflict, DeviceTaken, NotFound, Refused, SeatrialError
from seatrial.hardware import HardwareOption
from seatrial.nvml import Gpus
from seatrial.served_model import ServedModel
from seatrial.serving.cores import pick_cores
from seatrial.serving.mps_daemons import MpsDaemons
from seatrial.serving.placement import pick_gpu
from seatrial.serving.ports import PortPool
from seatrial.serving.record import ServerRecord
from seatrial.serving.server import Server
from seatrial.serving.server_log import cut_log, log_tail
from seatrial.serving.spec import Replica
from seatrial.serving.strays import records_that_go_on, remove_strays
from seatrial.serving.triton_config import model_config
from seatrial.serving.triton_repository import CopyFiles
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.serving.warmup import unpack
from seatrial.serving.watch import Limits

CUT_EVERY_S = 0.2
"""Between two looks at the logs: a server that writes as fast as the disk takes it fills some 100 MB between them."""


class LocalBackend:
    """All Inference Servers below one folder. One backend a folder: a second one raises Conflict.

    A server belongs to an `owner` or is on trial with a lease. Call `adopt` before anything else.
    """

    def __init__(
        self,
        folder: Path,
        installation: TritonInstallation,
        *,
        limits: Limits | None = None,
        gpus: Gpus | None = None,
        mps: MpsDaemons | None = None,
    ) -> None:
        """`gpus` are those that replicas may use, none by default; `mps` keeps the daemons of those that are shared."""
        folder.mkdir(parents=True, exist_ok=True)
        self._gpus = gpus or Gpus((), reason="this backend was given none")
        self._mps = mps or MpsDaemons(folder.parent / "mps", ())
        self._folder, self._installation = folder.resolve(), installation
        self._limits, self._ports = limits or Limits(), PortPool()
        self._cores = sorted(os.sched_getaffinity(0))
        self._lock, self._servers = threading.Lock(), dict[str, Server]()
        self._idle = frozenset[str]()
        self._changed: Callable[[], None] = lambda: None
        self._told: Callable[[ServerRecord], None] = lambda _: None
        self._claim: int | None = None
        self._closing, self._logs = threading.Event(), threading.Thread(target=self._cut_logs, name="logs", daemon=True)

    def adopt(self) -> None:
        """Take over the servers that run, and remove what is left of others: processes, folders, shared memory.

        Raises Conflict while another backend, of this process or another, looks after the folder.
        """
        self._claim = _claim(self._folder)
        for record in records_that_go_on(self._folder):
            self._ports.hold(record.ports)
            self._servers[record.id] = self._server(record)
        remove_strays(self._folder, keep=set(self._servers))
        for server in self._servers.values():
            server.adopt()
        self._logs.start()

    def on_change(self, changed: Callable[[], None]) -> None:
        """Have `changed` called, from any thread, after each change of a server. It must return at once."""
        self._changed = changed

    def note_idle(self, owners: Iterable[str]) -> None:
        """Owners whose servers have no traffic: their cores are given out as if they were free. Memory, and the place
        on a GPU, they go on to hold."""
        self._idle = frozenset(owners)

    def on_record(self, told: Callable[[ServerRecord], None]) -> None:
        """As `on_change`; `told` is given the record of the server that changed, before anyone acts on it."""
        self._told = told

    def check(self, served: ServedModel, option: HardwareOption, warmup: bytes | None = None) -> None:
        """Raise Refused when this machine cannot run the model on that option, whatever its files say."""
        samples = () if warmup is None else unpack(warmup, served.signature.inputs)
        model_config(served, option, self._installation.backend_names(), samples)
        pick_cores(option.cores, self._cores, ())
        have_mib = psutil.virtual_memory().total // 2**20
        if (option.memory_mib or 0) > have_mib:
            raise Refused(f"needs {option.memory_mib} MiB of memory, this machine has {have_mib}", limit=have_mib)
        pick_gpu(option, self._gpus.found, self._gpus.reason, ())

    def start_replica(
        self,
        served: ServedModel,
        option: HardwareOption,
        purpose: str,
        copy_files: CopyFiles,
        *,
        owner: str | None = None,
        lease_s: float | None = None,
        warmup: bytes | None = None,
        measured: bool = False,
    ) -> str:
        """Start one Inference Server and return its id at once; `observe` tells how it goes.

        `copy_files` is called in another thread. `warmup` is what `pack` made of samples, which each instance
        must answer before the server is ready. Exactly one of `owner` and `lease_s` is given.
        Raises Refused when this machine cannot run the model, and for a server that is to be `measured` DeviceTaken
        while another one is on a core or a GPU that it would get; nothing is left behind then.
        """
        if (owner is None) == (lease_s is None):
            raise Refused("a server has an owner or, on trial, a lease: exactly one of them")
        self.check(served, option, warmup)
        with self._lock:
            record = self._new_record(served, option, purpose, owner, lease_s, measured=measured)
            server = self._server(record)
            self._servers[record.id] = server
        try:
            server.start(copy_files, warmup)
        except OSError as error:
            self._forget(record.id, server)
            raise SeatrialError(f"{purpose}: the server's folder cannot be written: {error}") from error
        return record.id

    def observe(self, replica_id: str) -> Replica:
        """The replica as it is now. Raises NotFound once it has been stopped."""
        return self._find(replica_id).record.observed()

    def log_tail(self, replica_id: str, lines: int = 30) -> tuple[str, ...]:
        """The last lines of a server's log as it is now, oldest first, without blank ones and drawn tables.

        For a live view call it again: there is nothing to close. At most the last MiB is looked at. The log of a
        failed server is there until the server is replaced, see `Replica.log_tail`. Raises NotFound once it is gone.
        """
        return log_tail(self._folder / self._find(replica_id).record.id, lines)

    def records(self) -> Mapping[str, ServerRecord]:
        """The records of all servers, oldest first."""
        with self._lock:
            self._servers = {name: server for name, server in self._servers.items() if not server.gone}
            records = [server.record for server in self._servers.values()]
        return {record.id: record for record in sorted(records, key=lambda record: record.created)}

    def records_of(self, owner: str) -> list[ServerRecord]:
        """Those of one owner, oldest first."""
        with self._lock:
            found = [server.record for server in self._servers.values() if not server.gone]
        return sorted((r for r in found if r.owner == owner), key=lambda record: record.created)

    def requests_per_s(self, replica_id: str) -> float | None:
        """The load on a server now; None while it is not known. Raises NotFound once it has been stopped."""
        return self._find(replica_id).requests_per_s

    def renew(self, replica_id: str, lease_s: float) -> Replica:
        """Let a trial server live for `lease_s` from now. Raises NotFound, and Conflict for a server with an owner."""
        server = self._find(replica_id)
        if server.record.owner is not None:
            raise Conflict(f"{replica_id} belongs to the deployment {server.record.owner} and has no lease")
        server.renew(time.monotonic() + lease_s)
        return server.record.observed()

    def drain(self, replica_id: str, drain_s: float) -> None:
        """Take a server out of use now, and end it after `drain_s` at least, once nothing is outstanding
        (`Server.drain`). Returns at once. One that is gone is no error; what is left of one that failed is removed
        once its processes have ended, so call again while it is there."""
        server = self._servers.get(replica_id)
        if server is None or server.gone:
            return
        if server.record.error is None:
            server.drain(time.monotonic() + drain_s)
        elif server.ended:
            self._forget(replica_id, server)

    def stop(self, replica_id: str, grace_s: float = 0.0) -> None:
        """End a server: when this returns, its processes and its folder are gone. One that is gone is no error.

        `grace_s` is given to requests that it still has, by SIGTERM; with 0 it is killed, which takes milliseconds.
        """
        server = self._servers.get(replica_id)
        if server is not None:
            self._forget(replica_id, server, grace_s)

    def reap(self, now: float | None = None) -> list[str]:
        """Stop the trial servers whose lease has passed at `now` (monotonic seconds), and the MPS daemons that no
        server uses any more. Returns the servers' ids."""
        moment = time.monotonic() if now is None else now
        expired = [
            name for name, record in self.records().items() if record.lease_until and record.lease_until <= moment
        ]
        for name in expired:
            self.stop(name)
        self._mps.keep(record.gpu for record in self.records().values() if record.gpu)
        return expired

    def stop_all(self, *, trials_only: bool, grace_s: float = 0.0) -> None:
        """End every server, or every trial server, side by side; returns when all are gone."""
        records = self.records().values()
        self._each([self._servers[r.id] for r in records if r.lease_until or not trials_only], grace_s)

    def close(self, *, stop_servers: bool) -> None:
        """End this backend: all its servers with it, or none, for the next backend to adopt. Safe to repeat."""
        self._each(list(self._servers.values()), self._limits.grace_s if stop_servers else None)
        self._closing.set()
        if self._logs.is_alive():
            self._logs.join()
        with self._lock:
            self._servers.clear()
        if stop_servers:
            self._mps.keep(())
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _each(self, servers: list[Server], grace_s: float | None) -> None:
        """Stop servers side by side, or release them when there is no `grace_s`."""
        if servers:
            with ThreadPoolExecutor(max_workers=len(servers)) as pool:
                ended = [pool.submit(s.release) if grace_s is None else pool.submit(s.stop, grace_s) for s in servers]
            for future in ended:
                future.result()

    def _cut_logs(self) -> None:
        """In a thread of its own, because a server may log in every state, also where its own thread waits for it."""
        while not self._closing.wait(CUT_EVERY_S):
            for server in list(self._servers.values()):
                cut_log(server.folder)

    def _new_record(
        self,
        served: ServedModel,
        option: HardwareOption,
        purpose: str,
        owner: str | None,
        lease_s: float | None,
        *,
        measured: bool,
    ) -> ServerRecord:
        now = time.monotonic()
        held = [server.record for server in self._servers.values() if _holds_hardware(server)]
        busy = [other for other in held if other.owner not in self._idle]
        record = ServerRecord(
            id=f"{served.name}-{served.version}-{uuid.uuid4().hex[:8]}",
            purpose=purpose,
            owner=owner,
            served=served,
            option=option,
            core_set=pick_cores(option.cores, self._cores, [other.core_set for other in busy]),
            gpu=pick_gpu(option, self._gpus.found, self._gpus.reason, [other.gpu for other in held if other.gpu]),
            ports=self._ports.take(),
            created=now,
            lease_until=None if lease_s is None else now + lease_s,
            measured=measured,
        )
        taken = next((other for other in held if measured and other.measured and other.shares_device(record)), None)
        if taken is not None:
            self._ports.release(record.ports)
            raise DeviceTaken(f"{taken.purpose} runs on {taken.device}: this one waits until it has ended")
        return record

    def _server(self, record: ServerRecord) -> Server:
        folder = self._folder / record.id
        changed = partial(self._server_changed, record.id)
        return Server(folder, record, self._installation, self._ports, self._mps, self._limits, changed)

    def _server_changed(self, replica_id: str) -> None:
        server = self._servers.get(replica_id)
        if server is not None:
            self._told(server.record)
        self._changed()

    def _find(self, replica_id: str) -> Server:
        server = self._servers.get(replica_id)
        if server is None or server.gone:
            raise NotFound(f"no Inference Server {replica_id}", replica=replica_id)
        return server

    def _forget(self, replica_id: str, server: Server, grace_s: float = 0.0) -> None:
        server.stop(grace_s)
        with self._lock:
            self._servers.pop(replica_id, None)


def _holds_hardware(server: Server) -> bool:
    return not server.gone and server.record.error is None


def _claim(folder: Path) -> int:
    """Hold the folder for this backend: the kernel gives it free when the process ends, however it ends."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise Conflict(f"another Inference Manager looks after the servers in {folder}") from error
    return handle
