"""One Inference Server of this machine: from its files to its end, followed by a thread of its own."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seatrial.errors import SeatrialError, ServerFailed, TryAgain
from seatrial.serving.cgroups import remove_cgroup
from seatrial.serving.confinement import confine, confined, memory_flaw, overstepped, tasks_flaw
from seatrial.serving.mps_daemons import MpsDaemons
from seatrial.serving.ports import PortPool
from seatrial.serving.probe import Probe
from seatrial.serving.processes import core_sets, end, spawn, was_not_executed
from seatrial.serving.read_back import cores_flaw, runtime_settings, threads_flaw
from seatrial.serving.record import REPOSITORY, WARMUP, ServerRecord, write_record
from seatrial.serving.seal import seal
from seatrial.serving.server_log import KEPT_LINES, LOG, log_tail
from seatrial.serving.triton_log import is_port_clash
from seatrial.serving.triton_repository import CopyFiles, runs_our_runtime, write_repository
from seatrial.serving.tritonserver import TritonInstallation, remove_shared_memory
from seatrial.serving.warmup import unpack
from seatrial.serving.watch import LOOK_EVERY_S, QUIET_S, Limits, Watch, see_alive, see_within, server_process
from seatrial.storage.local import atomic_write
from seatrial.tensors import Tensors
from seatrial.waiting import Deadline, wait_until

log = logging.getLogger(__name__)


STARTS = 3
"""How often a server is started before its machine is said to have no ports for it: each start loads the model."""


class Left(Exception):
    """How the thread leaves: the server is being stopped, or left to another manager."""


class Unwanted(Exception):
    """How the thread leaves a server that was drained before it was ever ready."""


class MachineFailed(ServerFailed):
    """What failed it is no fault of the model: storage away, no ports to be had, MPS down."""


class Server:
    """Ends only by `stop`, by the end of its drain, or by failing; its record says which. `changed` is called after
    each change, from the server's own thread. A server that fails is no endpoint from that moment on; its processes
    are killed next, and none is left once it has `ended`, `stop` has returned, or the server is `gone`."""

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
        self.folder, self._installation, self._ports, self._limits = folder, installation, ports, limits
        self._mps, self._changed, self._record = mps, changed, record
        self._lock, self._leave = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self.gone = self.ended = False
        self.requests_per_s: float | None = None  # the load on it, while it is watched and that is known

    @property
    def record(self) -> ServerRecord:
        return self._record

    def start(self, copy_files: CopyFiles, warmup: bytes | None) -> None:
        """Write the record, then go on in a thread: files, process, readiness, watch."""
        if warmup is not None:
            atomic_write(self.folder / WARMUP, warmup)
        write_record(self.folder, self._record)
        self._follow(lambda: self._bring_up(copy_files))

    def adopt(self) -> None:
        """Go on where another manager stopped: wait until it is ready if it was not, then watch."""
        self._follow(self._become_ready)

    def renew(self, lease_until: float) -> None:
        self._change(lease_until=lease_until)

    def drain(self, until: float) -> None:
        """From now on it is no endpoint. At `until`, when its clients have heard of it, it ends once nothing is
        outstanding, `Limits.outstanding_s` later at the latest. A second call can only bring the end nearer."""
        before = self._record.drain_until
        self._change(drain_until=until if before is None else min(before, until))

    def stop(self, grace_s: float) -> None:
        """End it and remove its folder. When this returns, no process of it is left. Safe to repeat."""
        with self._lock:  # from here on none is started
            self._leave.set()
        self._end(grace_s)  # first: its thread may be waiting for an answer that will never come
        self.release()
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
            self._fail(error.message, machine_failed=isinstance(error, MachineFailed))
        except OSError as error:
            self._fail(f"{self._name}: this machine cannot run it now: {error}", machine_failed=True)
        except Exception as error:  # a thread that dies unheard would leave a replica "starting" for ever
            self._fail(f"{self._name}: {error!r}")

    def _bring_up(self, copy_files: CopyFiles) -> None:
        repository, record = self.folder / REPOSITORY, self._record
        installed = self._installation.backend_names()
        with self._before_the_model():
            write_repository(repository, record.served, record.option, installed, copy_files, self._samples())
            self._change(seal=seal(repository))
        self._come_up(STARTS)

    def _come_up(self, starts: int) -> None:
        """Start the process; again on other ports, so many times in all, when strangers were quicker to bind one."""
        self._launch()
        try:
            self._become_ready()
        except ServerFailed as error:
            clashed = is_port_clash(log_tail(self.folder))
            if was_not_executed(server_process(self._record)) or (clashed and starts == 1):
                raise MachineFailed(error.message) from error
            if not clashed:
                raise
            self._take_other_ports()
            self._come_up(starts - 1)

    def _take_other_ports(self) -> None:
        self._end(0)
        (self.folder / LOG).unlink(missing_ok=True)  # the next start is not judged by what this one says
        self._ports.release(self._record.ports)
        with self._before_the_model():
            self._change(ports=self._ports.take())

    @contextmanager
    def _before_the_model(self) -> Iterator[None]:
        try:
            yield
        except TryAgain as error:
            raise MachineFailed(error.message) from error

    def _launch(self) -> None:
        with self._before_the_model():
            environment = self._environment()
            self._start_process(environment)
        self._changed()

    def _start_process(self, environment: Mapping[str, str]) -> None:
        with self._lock:
            self._go_on()
            self._record = self._record.model_copy(update={"confinement": confine(self.folder, self._record.option)})
            command = confined(self._command(), self._record.confinement)
            process = spawn(command, environment, self.folder, self.folder / LOG, self._record.core_set)
            self._record = self._record.model_copy(update={"process": process, "launched": time.monotonic()})
            write_record(self.folder, self._record)

    def _command(self) -> list[str]:
        record, repository = self._record, self.folder / REPOSITORY
        return self._installation.command(
            repository,
            record.served.name,
            record.ports,
            server_id=record.id,
            exit_timeout_s=self._limits.outstanding_s,
            computes=not runs_our_runtime(repository, record.served),
        )

    def _environment(self) -> Mapping[str, str]:
        """The whole environment of the server, but for the marker that `spawn` adds."""
        deadline = Deadline.after(self._limits.start_s)
        return {**self._installation.environment, **self._mps.environment(self._record.gpu, deadline)}

    def _become_ready(self) -> None:
        record = self._record
        if record.started_in_s is not None:
            return
        deadline = Deadline.after(self._limits.start_s)
        with Probe(record) as probe:
            wait_until(lambda: self._is_up(probe), deadline, f"{self._name}: the model is ready", longest_s=0.1)
            answered_in_s = probe.warm_up(self._sample(), deadline.left_s)
        runtime = self._read_back()
        self._go_on()
        started_in_s = round(time.monotonic() - (record.launched or record.created), 3)
        self._change(started_in_s=started_in_s, answered_in_s=answered_in_s, runtime=runtime)
        log.info("server %s (%s) is ready after %.1f s", record.id, record.purpose, started_in_s)

    def _is_up(self, probe: Probe) -> bool:
        self._go_on()
        see_alive(self.folder, self._record, [server_process(self._record)])
        see_within(self._record)
        return probe.is_ready()

    def _read_back(self) -> dict[str, str]:
        """What the runtime says of itself. Raises ServerFailed when the server runs otherwise than it was asked to."""
        record = self._record
        shown = runtime_settings(log_tail(self.folder, KEPT_LINES))
        flaws = (
            cores_flaw(record.core_set, core_sets(self.folder)),
            memory_flaw(self.folder, record.confinement, record.option.memory_mib),
            tasks_flaw(self.folder, record.confinement),
            threads_flaw(record.option, shown) if runs_our_runtime(self.folder / REPOSITORY, record.served) else None,
        )
        for flaw in filter(None, flaws):
            raise ServerFailed(f"{self._name}: {flaw}")
        if record.gpu is not None:
            self._change(gpu_seen=self._mps.read_back(record.gpu, self._environment()))
        return shown[-1] if shown else {}

    def _watch(self) -> None:
        """Look after a ready server until it is to leave or to end. Raises ServerFailed when it fails."""
        with Watch(self.folder, self._record, self._limits, self._sample(), time.monotonic()) as watch:
            while not self._drained(watch, time.monotonic()):
                if self._leave.wait(LOOK_EVERY_S):
                    return
                watch.look(time.monotonic(), draining=self._record.drain_until is not None)
                self.requests_per_s = watch.requests_per_s(time.monotonic())
        self._finish(max(self._limits.grace_s, self._outstanding_until() - time.monotonic()))

    def _drained(self, watch: Watch, now: float) -> bool:
        """Whether nobody sends it requests any more. Those under way are Triton's own to count: it ends at SIGTERM when
        they have been answered."""
        until = self._record.drain_until
        if until is None or now < until:
            return False
        return watch.quiet_s(now) >= QUIET_S or now >= self._outstanding_until()

    def _outstanding_until(self) -> float:
        return (self._record.drain_until or 0.0) + self._limits.outstanding_s

    def _fail(self, message: str, *, machine_failed: bool = False) -> None:
        if self._leave.is_set():
            return None
        if self._record.drain_until is not None:
            log.warning("server %s failed while it drained: %s", self._record.id, message)
            return self._finish(grace_s=0)
        message = f"{overstepped(self._record.confinement) or ''}: {message}".removeprefix(": ")
        log.warning("server %s (%s) failed: %s", self._record.id, self._record.purpose, message)
        # first of all: it is no endpoint any more
        self._change(error=message, machine_failed=machine_failed, log_tail=log_tail(self.folder))
        try:
            self._end(0)
        except (SeatrialError, OSError) as error:
            self._change(error=f"{message}; {error}")
        self._ports.release(self._record.ports)
        self.ended = True
        self._changed()
        return None

    def _finish(self, grace_s: float) -> None:
        self._end(grace_s)
        self._remove()

    def _end(self, grace_s: float) -> None:
        if self._record.gpu is not None and self._record.gpu.mps_share is not None:
            # A client of MPS that is killed with work in flight can leave the other clients undefined.
            grace_s = max(grace_s, self._limits.grace_s)
        cgroups = self._record.confinement.cgroups
        end(self._record.process, self.folder, grace_s, cgroups)
        for cgroup in cgroups:
            remove_cgroup(cgroup)
        remove_shared_memory(self._record.id)

    def _remove(self) -> None:
        with self._lock:
            self.gone = True
        shutil.rmtree(self.folder, ignore_errors=True)
        self._ports.release(self._record.ports)
        self._changed()

    def _change(self, **update: Any) -> None:
        """Change the record. On a full disk the file stays as it was: what a next manager reads there is an earlier
        moment of the same server, from which it comes to the same end."""
        with self._lock:
            self._record = self._record.model_copy(update=update)
            try:
                if not self.gone:
                    write_record(self.folder, self._record)
            except OSError as error:
                log.warning("server %s: its record could not be written: %s", self._record.id, error)
        self._changed()

    def _go_on(self) -> None:
        if self._leave.is_set():
            raise Left
        if self._record.drain_until is not None:
            raise Unwanted

    def _sample(self) -> Tensors | None:
        return next(iter(self._samples()), None)

    def _samples(self) -> tuple[Tensors, ...]:
        try:
            return unpack((self.folder / WARMUP).read_bytes(), self._record.served.signature.inputs)
        except FileNotFoundError:
            return ()

    @property
    def _name(self) -> str:
        return f"{self._record.served.name} {self._record.served.version}"
