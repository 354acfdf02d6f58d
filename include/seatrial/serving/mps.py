"""The MPS control daemon of one GPU: started, limited, read back before its first client, and quit after its last.

Neither the exit status of a command nor silence means that a setting holds: the daemon refuses a percentage of 140 by
answering the old one, with status 0. So whatever is set is asked for again. Source: NVIDIA's documentation of the
Multi-Process Service, and what its control daemons 535 and 580 were seen to do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir

from pydantic import BaseModel, ConfigDict, ValidationError

from seatrial.errors import SeatrialError, ServerFailed
from seatrial.serving.placement import GpuPlacement, thread_percentage
from seatrial.serving.processes import ProcessId, end, is_alive, spawn
from seatrial.storage.local import atomic_write
from seatrial.waiting import Deadline, wait_until

ANSWER_S = 5.0
"""For one command. The daemon answers in milliseconds; it is busy for a second while it starts a server."""

QUIT_S = 5
"""What `quit` leaves to clients; there are none when we quit, but a stranger's may have connected."""

FILE, LOG = "mps.json", "mps.log"


@dataclass(frozen=True)
class MpsLimits:
    """The most that any client of a daemon gets; its own environment can only lower it. None: all of the memory."""

    thread_percentage: float = 100.0
    memory_mib: int | None = None


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    process: ProcessId
    limits: MpsLimits


class MpsDaemon:
    """One daemon for one GPU. What it is lies in `folder`, so that another manager finds it again.

    Its sockets are in a short path of their own, because the kernel takes no longer one than 107 bytes.
    """

    def __init__(self, gpu_uuid: str, folder: Path, program: Path) -> None:
        self._gpu, self._folder, self._program = gpu_uuid, folder.absolute(), program
        self.pipes = Path(gettempdir()) / f"seatrial-mps-{sha256(str(self._folder).encode()).hexdigest()[:16]}"

    def start(self, limits: MpsLimits, deadline: Deadline) -> None:
        """Have it running with `limits`, read back. One that runs with them is left as it is.

        Raises ServerFailed when it does not start, does not answer or does not hold a limit; none is left then.
        """
        record = self._record()
        if record is not None and record.limits == limits and self.is_running():
            return
        self.stop()
        self._make_folders()
        process = spawn([str(self._program), "-f"], self._environment(), self._folder, self._folder / LOG, _all_cores())
        try:
            wait_until(lambda: self._comes_up(process), deadline.sooner(ANSWER_S), f"{self._name} answers")
            self._limit(limits)
        except SeatrialError:
            self.stop()
            raise
        kept = _Record(process=process, limits=limits)
        atomic_write(self._folder / FILE, kept.model_dump_json().encode())

    def stop(self) -> None:
        """Quit it. When this returns no process and no folder of it is left. One that does not run is no error."""
        record = self._record()
        if record is not None and is_alive(record.process):
            with suppress(SeatrialError):  # an answer that did not come does not matter: what is left is killed
                self.ask(f"quit -t {QUIT_S}", timeout_s=QUIT_S + ANSWER_S)
        end(record.process if record else None, self._folder, grace_s=0)
        for folder in (self.pipes, self._folder):
            shutil.rmtree(folder, ignore_errors=True)

    def is_running(self) -> bool:
        """Whether it is there and answers."""
        record = self._record()
        return record is not None and is_alive(record.process) and self._answers()

    def limits(self) -> MpsLimits:
        """What the daemon itself says. A memory limit comes back in whole GiB, cut, when it is 1 GiB or more."""
        percentage = self.ask("get_default_active_thread_percentage")
        return MpsLimits(float(percentage), memory_mib(self.ask("get_default_device_pinned_mem_limit 0")))

    def ask(self, command: str, timeout_s: float = ANSWER_S) -> str:
        """Give one command, return what is answered. Raises ServerFailed when nobody answers."""
        try:
            done = subprocess.run(
                [self._program],
                input=f"{command}\n",
                env=self._environment(),
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServerFailed(f"{self._name} did not answer {command!r}: {error}") from error
        if done.returncode != 0 and not command.startswith("quit"):
            raise ServerFailed(f"{self._name} did not answer {command!r}: {(done.stdout + done.stderr).strip()[:200]}")
        return done.stdout.strip()

    def client_environment(self, placement: GpuPlacement) -> dict[str, str]:
        """What the processes of a replica are started with. CUDA reads it when they connect, and never again."""
        return {
            "CUDA_VISIBLE_DEVICES": placement.uuid,
            "CUDA_MPS_PIPE_DIRECTORY": str(self.pipes),
            "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": f"{thread_percentage(placement.load):g}",
            **({"CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": f"0={placement.memory_mib}M"} if placement.memory_mib else {}),
        }

    def _limit(self, limits: MpsLimits) -> None:
        self.ask(f"set_default_active_thread_percentage {limits.thread_percentage:g}")
        if limits.memory_mib is not None:
            self.ask(f"set_default_device_pinned_mem_limit 0 {limits.memory_mib}M")
        held = self.limits()
        shown = None if limits.memory_mib is None else _as_shown(limits.memory_mib)
        if held != MpsLimits(limits.thread_percentage, shown):
            raise ServerFailed(f"{self._name} was given {limits}, but says {held}", wanted=str(limits), held=str(held))

    def _comes_up(self, process: ProcessId) -> bool:
        if not is_alive(process):
            raise ServerFailed(f"{self._name} ended: {self._last_line()}")
        return self._answers()

    def _answers(self) -> bool:
        try:
            return bool(self.ask("get_default_active_thread_percentage", timeout_s=1.0))
        except ServerFailed:
            return False

    def _make_folders(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self.pipes.mkdir(mode=0o700)
        except FileExistsError as error:  # it was removed just now, if it was ours: strangers' sockets are not used
            raise ServerFailed(f"{self._name} needs {self.pipes}, which belongs to somebody else") from error

    def _record(self) -> _Record | None:
        try:
            return _Record.model_validate_json((self._folder / FILE).read_bytes())
        except (OSError, ValidationError):
            return None

    def _last_line(self) -> str:
        try:
            lines = (self._folder / LOG).read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1][:300] if lines else "it left no log"

    def _environment(self) -> Mapping[str, str]:
        path = (str(self._program.parent), "/usr/local/nvidia/bin", "/usr/sbin", "/usr/bin", "/bin")
        library = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        return {
            **library,
            "PATH": os.pathsep.join(path),
            "CUDA_VISIBLE_DEVICES": self._gpu,
            "CUDA_MPS_PIPE_DIRECTORY": str(self.pipes),
            "CUDA_MPS_LOG_DIRECTORY": str(self._folder),
        }

    @property
    def _name(self) -> str:
        return f"the MPS control daemon of {self._gpu}"


def memory_mib(shown: str) -> int | None:
    """`2G`, `500M` or nothing, as the daemon shows a memory limit, in MiB."""
    if not shown:
        return None
    number, unit = shown[:-1], shown[-1:]
    if unit not in ("G", "M") or not number.isdigit():
        raise ServerFailed(f"the MPS control daemon shows a memory limit of {shown[:40]!r}")
    return int(number) * (1024 if unit == "G" else 1)


def _as_shown(mib: int) -> int:
    return mib if mib < 1024 else mib // 1024 * 1024


def _all_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))
