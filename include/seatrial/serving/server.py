"""One Inference Server of this machine: from its files to its end, followed by a thread of its own."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import SeatrialError, ServerFailed
from seatrial.serving.mps_daemons import MpsDaemons
from seatrial.serving.ports import HOST, PortPool
from seatrial.serving.probe import Probe
from seatrial.serving.processes import ProcessId, core_sets, end, exit_status, identify, is_alive, members, spawn
from seatrial.serving.record import LOG, REPOSITORY, WARMUP, ServerRecord, write_record
from seatrial.serving.triton_backend import choose_way
from seatrial.serving.triton_log import is_port_clash, log_tail, reason
from seatrial.serving.triton_repository import CopyFiles, write_repository
from seatrial.serving.tritonserver import TritonInstallation, remove_shared_memory
from seatrial.serving.warmup import unpack
from seatrial.storage.local import atomic_write
from seatrial.tensors import Tensors
from seatrial.waiting import Deadline, wait_until

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
"""Between two looks at the processes: how long a dead server may stay in use. A look costs some 20 µs a process."""

ASK_EVERY_S = 1.0
"""Between two questions whether the model is ready."""

STUB = "triton_python_backend_stub"


@dataclass(frozen=True)
class Limits:
    """Seconds. start: from the process's start to the first answer; silent: without an answer to a health question
    (long, because a server under full load is not a dead one); grace: from SIGTERM to SIGKILL."""

    start_s: float = 120.0
    silent_s: float = 30.0
    grace_s: float = 6.0


class Left(Exception):
    """How the thread leaves: the server is being stopped, or left to another manager."""


class Unwanted(Exception):
    """How the thread leaves a server that was drained before it was ever ready."""


class Server:
    """Ends only by `stop`, by the end of its drain, or by failing; its record says which. `changed` is called after
    each change, from the server's own thread. Whatever happens, no process is left of a server that is not in use."""

    def __init__(
        self,
        folder: Path,
        record: ServerRecord,
        installation: TritonInstallation,
        ports: PortPool,
        mps: MpsDaemons,
        limits: Limits,
        changed: Callable[[], None],
    ) -> None:
        self._folder, self._installation, self._ports, self._limits = folder, installation, ports, limits
        self._mps, self._changed, self._record = mps, changed, record
        self._lock, self._leave = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self.gone = False

    @property
    def record(self) -> ServerRecord:
        return self._record

    def start(self, copy_files: CopyFiles, warmup: bytes | None) -> None:
        """Write the record, then go on in a thread: files, process, readiness, watch."""
        if warmup is not None:
            atomic_write(self._folder / WARMUP, warmup)
        write_record(self._folder, self._record)
        self._follow(lambda: self._bring_up(copy_files))

    def adopt(self) -> None:
        """Go on where another manager stopped: wait until it is ready if it was not, then watch."""
        self._follow(self._become_ready)

    def renew(self, lease_until: float) -> None:
        self._change(lease_until=lease_until)

    def drain(self, until: float) -> None:
        """End the server at `until`; from now on it is no endpoint. A second call can only bring the end nearer."""
        before = self._record.drain_until
        self._change(drain_until=until if before is None else min(before, until))

    def stop(self, grace_s: float) -> None:
        """End it and remove its folder. When this returns, no process of it is left. Safe to repeat."""
        self.release()
        self._end(grace_s)
        self._remove()

    def release(self) -> None:
        """Stop following: the server goes on as it is, for another manager to adopt. Returns when nothing moves."""
        with self._lock:  # a process being started has its record before anyone goes on
            self._leave.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _follow(self, begin: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=self._live, args=(begin,), name=self._record.id, daemon=True)
        self._thread.start()

    def _live(self, begin: Callable[[], None]) -> None:
        try:
            begin()
            self._watch()
        except Left:
            return
        except Unwanted:
            self._finish(grace_s=0)
        except SeatrialError as error:
            self._fail(error.message)
        except Exception as error:  # a thread that dies unheard would leave a replica "starting" for ever
            self._fail(f"{self._name}: {error!r}")

    def _bring_up(self, copy_files: CopyFiles) -> None:
        record, installed = self._record, self._installation.backend_names()
        write_repository(
            self._folder / REPOSITORY, record.served, record.option, installed, copy_files, self._samples()
        )
        try:
            self._launch()
            self._become_ready()
        except ServerFailed:
            if not is_port_clash(log_tail(self._folder / LOG)):
                raise
            self._end(0)
            self._ports.release(self._record.ports)
            self._change(ports=self._ports.take())
            self._launch()
            self._become_ready()

    def _launch(self) -> None:
        record = self._record
        command = self._installation.command(
            self._folder / REPOSITORY, record.served.name, record.ports, server_id=record.id
        )
        environment = self._environment()
        with self._lock:
            self._go_on()
            log = self._folder / LOG
            process = spawn(command, environment, self._folder, log, record.core_set)
            self._record = record.model_copy(update={"process": process, "launched": time.monotonic()})
            write_record(self._folder, self._record)
        self._changed()

    def _become_ready(self) -> None:
        record = self._record
        if record.started_in_s is not None:
            return
        deadline = Deadline.after(self._limits.start_s)
        with Probe(f"{HOST}:{record.ports.http}", record.id, record.served) as probe:
            wait_until(lambda: self._is_up(probe), deadline, f"{self._name}: the model is ready", longest_s=0.1)
            probe.warm_up(next(iter(self._samples()), None), deadline.left_s)
        self._read_back()
        self._go_on()
        started_in_s = round(time.monotonic() - (record.launched or record.created), 3)
        self._change(started_in_s=started_in_s)
        log.info("server %s (%s) is ready after %.1f s", record.id, record.purpose, started_in_s)

    def _is_up(self, probe: Probe) -> bool:
        self._go_on()
        self._see_alive([self._process])
        return probe.is_ready()

    def _environment(self) -> dict[str, str]:
        deadline = Deadline.after(self._limits.start_s)
        return {**self._installation.environment, **self._mps.environment(self._record.gpu, deadline)}

    def _read_back(self) -> None:
        """A core set counts only when the running processes show it, a share of a GPU when CUDA does."""
        wanted, found = self._record.core_set, core_sets(self._folder)
        if found != {wanted}:
            raise ServerFailed(f"{self._name}: was given the cores {wanted}, but runs on {sorted(found)}")
        if self._record.gpu is not None:
            self._change(gpu_seen=self._mps.read_back(self._record.gpu, self._environment()))

    def _watch(self) -> None:
        """Look after a ready server until it is to leave or to end. Raises ServerFailed when it fails.

        Triton neither restarts a python process that died nor says that its model is not ready any more; each
        request just fails. So those processes are watched like the server itself.
        """
        watched, record = self._watched(), self._record
        answered = asked = time.monotonic()
        with Probe(f"{HOST}:{record.ports.http}", record.id, record.served) as probe:
            while not self._leave.wait(LOOK_EVERY_S):
                self._see_alive(watched)
                now = time.monotonic()
                if (until := self._record.drain_until) is not None and now >= until:
                    return self._finish(self._limits.grace_s)
                if now - asked >= ASK_EVERY_S:
                    asked = now
                    answered = now if probe.is_ready() else answered
                if now - answered > self._limits.silent_s:
                    raise ServerFailed(f"{self._name}: has not answered for {now - answered:.0f} s")
        return None

    def _watched(self) -> list[ProcessId]:
        stubs = [found for p in members(self._folder) if _is_stub(p) and (found := identify(p.pid))]
        way = choose_way(self._record.served, self._record.option, self._installation.backend_names())
        missing = (0 if way.native else self._record.option.instances) - len(stubs)
        if missing > 0:
            raise ServerFailed(f"{self._name}: {missing} of its {self._record.option.instances} instances ended")
        return [self._process, *stubs]

    def _see_alive(self, processes: list[ProcessId]) -> None:
        for process in processes:
            if is_alive(process):
                continue
            if process != self._process:
                raise ServerFailed(f"{self._name}: the process of a model instance ended (pid {process.pid})")
            status = exit_status(process)
            how = "" if status is None else f" with status {status}"
            why = reason(log_tail(self._folder / LOG))
            raise ServerFailed(f"{self._name}: the Inference Server ended{how}: {why}")

    def _fail(self, message: str) -> None:
        if self._leave.is_set():
            return
        log.warning("server %s (%s) failed: %s", self._record.id, self._record.purpose, message)
        tail = log_tail(self._folder / LOG)
        try:
            self._end(0)
        except SeatrialError as error:
            message = f"{message}; {error.message}"
        self._ports.release(self._record.ports)
        with suppress(OSError):  # a full disk keeps the file as it was; what this manager knows is right
            self._change(error=message, log_tail=tail)

    def _finish(self, grace_s: float) -> None:
        self._end(grace_s)
        self._remove()

    def _end(self, grace_s: float) -> None:
        if self._record.gpu is not None and self._record.gpu.mps_share is not None:
            # A client of MPS that is killed with work in flight can leave the other clients undefined.
            grace_s = max(grace_s, self._limits.grace_s)
        end(self._record.process, self._folder, grace_s)
        remove_shared_memory(self._record.id)

    def _remove(self) -> None:
        with self._lock:
            self.gone = True
        shutil.rmtree(self._folder, ignore_errors=True)
        self._ports.release(self._record.ports)
        self._changed()

    def _change(self, **update: Any) -> None:
        with self._lock:
            self._record = self._record.model_copy(update=update)
            if not self.gone:
                write_record(self._folder, self._record)
        self._changed()

    def _go_on(self) -> None:
        if self._leave.is_set():
            raise Left
        if self._record.drain_until is not None:
            raise Unwanted

    def _samples(self) -> tuple[Tensors, ...]:
        try:
            return unpack((self._folder / WARMUP).read_bytes(), self._record.served.signature.inputs)
        except FileNotFoundError:
            return ()

    @property
    def _process(self) -> ProcessId:
        assert self._record.process is not None, "asked for only once it was launched"
        return self._record.process

    @property
    def _name(self) -> str:
        return f"{self._record.served.name} {self._record.served.version}"


def _is_stub(process: Any) -> bool:
    try:
        return bool(process.name() == STUB)
    except Exception:
        return False
