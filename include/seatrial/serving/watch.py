"""Looks after a ready server: is every process there, does it answer, does it complete what it was asked?

Triton neither restarts a python process that died nor says that its model is not ready any more: each request just
fails. And its health questions are answered whatever its model does. So three things are told apart:

- *dead*: a process has ended; seen within `LOOK_EVERY_S`.
- *silent*: the server itself does not answer a health question for `Limits.silent_s`.
- *hung*: an instance of our runtime has worked on the same requests for `Limits.hung_s` (it says since when:
  `runtime/working.py`); or something has waited all the time for so long, and nothing was completed. A slow server
  under any load completes one request after the other; an idle one has nothing waiting. What a native backend works on
  cannot be counted from outside, so a server that has completed nothing for `IDLE_S` is sent its warm-up sample: an
  idle one answers that, a hung one never does. (Without a sample, nothing is sent: only requests in the queue tell. And
  of several instances of a native backend all must hang: one alone is idle to whoever looks at the server.)
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

from seatrial.errors import SeatrialError, ServerFailed
from seatrial.serving.arrivals import Arrivals
from seatrial.serving.cgroups import was_out_of_tasks
from seatrial.serving.exits import Exits
from seatrial.serving.probe import Probe
from seatrial.serving.processes import ProcessId, exit_status, identify, is_alive, members
from seatrial.serving.record import REPOSITORY, ServerRecord
from seatrial.serving.runtime.working import PATTERN, longest_s
from seatrial.serving.seal import broken_seal
from seatrial.serving.server_log import log_tail
from seatrial.serving.triton_log import reason
from seatrial.serving.triton_repository import runs_our_runtime
from seatrial.tensors import Tensors

LOOK_EVERY_S = 0.2
"""Between two looks at the processes: how long a dead server may stay in use."""

ASK_EVERY_S = 1.0
"""Between two questions to the server: whether the model is ready, and how much it has completed."""

QUIET_S = 1.0
"""A drained server without a request for so long has no clients any more."""

IDLE_S = 5.0
"""Without a completed request for so long a server is asked one."""

SEAL_EVERY_S = 5.0
"""Between two looks at the files of the model repository."""

STUB = "triton_python_backend_stub"


@dataclass(frozen=True)
class Limits:
    """Seconds. start: from the process's start to the first answer; silent: without an answer to a health question
    (long, because a server under full load is not a dead one); hung: without completing anything that waits, but never
    less than ten times what the warm-up took; grace: from SIGTERM to SIGKILL; outstanding: how long the last requests
    of a drained server may take."""

    start_s: float = 120.0
    silent_s: float = 30.0
    hung_s: float = 30.0
    grace_s: float = 6.0
    outstanding_s: float = 30.0


@dataclass(frozen=True)
class Progress:
    """What a server has completed, and since when it has not. Moments are seconds on the monotonic clock. Pure."""

    completed: int
    waiting: bool
    completed_at: float
    moved_at: float

    @classmethod
    def begin(cls, now: float) -> Progress:
        return cls(completed=-1, waiting=False, completed_at=now, moved_at=now)

    def seen(self, completed: int, waiting: bool, now: float) -> Progress:
        """One more look. It moves while it completes something, and also when there is nothing to complete."""
        done = completed != self.completed
        return Progress(
            completed, waiting, now if done else self.completed_at, now if done or not waiting else self.moved_at
        )

    def stuck_s(self, now: float) -> float:
        """For how long something has waited and nothing was completed."""
        return now - self.moved_at if self.waiting else 0.0

    def quiet_s(self, now: float) -> float:
        """For how long nothing was completed and nothing waits."""
        return 0.0 if self.waiting else now - self.completed_at


class Watch:
    """Follows one ready server from `look` to `look`. Not for several threads."""

    def __init__(self, folder: Path, record: ServerRecord, limits: Limits, sample: Tensors | None, now: float) -> None:
        self._folder, self._record, self._limits, self._sample = folder, record, limits, sample
        self._name = f"{record.served.name} {record.served.version}"
        self._exits = Exits([server_process(record), *_instances(folder, record)])
        self._marks = sorted(folder.glob(PATTERN))[: record.option.instances]
        self._probe, self._answered, self._progress = Probe(record), now, Progress.begin(now)
        self._ask_at, self._seal_at, self._canary, self._arrivals = now, now, Canary(), Arrivals()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._exits.close()
        self._probe.close()  # else Triton, when it ends, would wait for our connection

    def look(self, now: float, *, draining: bool) -> None:
        """Raises ServerFailed with the reason when the server cannot go on. A draining one is sent no sample."""
        see_alive(self._folder, self._record, self._exits.suspects())
        if now >= self._ask_at:
            self._ask_at = now + ASK_EVERY_S
            see_within(self._record)
            self._ask(now, may_send=not draining)
        if now >= self._seal_at:
            self._seal_at = now + SEAL_EVERY_S
            self._see_sealed()

    def quiet_s(self, now: float) -> float:
        """For how long it has had nothing to do."""
        return self._progress.quiet_s(now)

    def requests_per_s(self, now: float) -> float | None:
        """The load on it, without what it is sent from here; None while that is not known."""
        return self._arrivals.per_s(now)

    def _ask(self, now: float, *, may_send: bool) -> None:
        if self._probe.is_ready():
            self._answered = now
        elif now - self._answered > self._limits.silent_s:
            raise ServerFailed(f"{self._name}: has not answered for {now - self._answered:.0f} s")
        self._see_instances(now)
        found = self._probe.reading()
        if found is None:
            return
        self._arrivals = self._arrivals.seen(found.requests + found.waiting - self._canary.sent, now)
        self._progress = self._progress.seen(found.requests, found.waiting > 0 or self._canary.outstanding, now)
        if may_send and self._sample is not None and self._progress.quiet_s(now) > IDLE_S:
            self._canary.send(self._record, self._sample, timeout_s=self._hung_s + IDLE_S)
        if self._progress.stuck_s(now) > self._hung_s:
            raise ServerFailed(
                f"{self._name}: hangs: it answers health questions, but of its requests not one was completed in "
                f"{self._progress.stuck_s(now):.0f} s (limit: {self._hung_s:.0f} s)"
            )

    def _see_instances(self, now: float) -> None:
        worked_s = longest_s(self._marks, now)
        if worked_s > self._hung_s:
            raise ServerFailed(
                f"{self._name}: hangs: one of its instances has worked on the same requests for {worked_s:.0f} s "
                f"(limit: {self._hung_s:.0f} s)"
            )

    @property
    def _hung_s(self) -> float:
        return max(self._limits.hung_s, 10 * (self._record.answered_in_s or 0.0))

    def _see_sealed(self) -> None:
        sealed = self._record.seal  # a server that an earlier version of the manager started has none
        broken = broken_seal(self._folder / REPOSITORY, sealed) if sealed else None
        if broken:
            raise ServerFailed(f"{self._name}: its model repository was written to: {broken}")


class Canary:
    """One request of our own at a time, waited for by a thread of its own: the one who looks must not wait."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self.sent = 0

    @property
    def outstanding(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def send(self, record: ServerRecord, sample: Tensors, timeout_s: float) -> None:
        """Send one, unless one is under way. Whatever comes back is an answer."""
        if not self.outstanding:
            self._thread = threading.Thread(
                target=_canary, args=(record, sample, timeout_s), name=f"canary of {record.id}", daemon=True
            )
            self._thread.start()
            self.sent += 1


def _canary(record: ServerRecord, sample: Tensors, timeout_s: float) -> None:
    with Probe(record) as probe, suppress(SeatrialError):
        probe.warm_up(sample, timeout_s)


def server_process(record: ServerRecord) -> ProcessId:
    assert record.process is not None, "asked for only once it was launched"
    return record.process


def see_alive(folder: Path, record: ServerRecord, processes: list[ProcessId]) -> None:
    """Raises ServerFailed naming the process that has ended, and the last that its log says."""
    for process in processes:
        if is_alive(process):
            continue
        name, why = f"{record.served.name} {record.served.version}", reason(log_tail(folder))
        if process != record.process:
            raise ServerFailed(f"{name}: the process of a model instance ended (pid {process.pid}): {why}")
        status = exit_status(process)
        how = "" if status is None else f" with status {status}"
        raise ServerFailed(f"{name}: the Inference Server ended{how}: {why}")


def see_within(record: ServerRecord) -> None:
    """Raises ServerFailed when a process or thread was refused to it: from then on anything in it may fail."""
    cgroup = record.confinement.pids_cgroup
    if cgroup is not None and was_out_of_tasks(cgroup):
        raise ServerFailed(f"{record.served.name} {record.served.version}: it starts more and more of them")


def _instances(folder: Path, record: ServerRecord) -> list[ProcessId]:
    """The processes of the model's instances; a native backend runs them inside the server."""
    if not runs_our_runtime(folder / REPOSITORY, record.served):
        return []
    found = [process for p in members(folder) if _is_stub(p) and (process := identify(p.pid))]
    missing = record.option.instances - len(found)
    if missing > 0:
        raise ServerFailed(
            f"{record.served.name} {record.served.version}: {missing} of its {record.option.instances} instances ended"
        )
    return found


def _is_stub(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.name() == STUB)
    return False
