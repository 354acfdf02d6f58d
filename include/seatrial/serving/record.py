"""What is kept on disk of each Inference Server, so that any manager can go on where another one stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving.confinement import Confinement
from seatrial.serving.cuda_view import CudaView
from seatrial.serving.placement import GpuPlacement
from seatrial.serving.ports import HOST, Ports
from seatrial.serving.processes import ProcessId
from seatrial.serving.spec import Replica
from seatrial.storage.local import atomic_write

FILE = "server.json"
WARMUP = "warmup.npz"
REPOSITORY = "repository"


class ServerRecord(BaseModel):
    """One Inference Server. Moments are seconds on the machine's monotonic clock, which all processes share: after a
    reboot they mean nothing, but then no process is found again either.

    `created` is when it was asked for, `launched` when its process was started. `seal` is the state of its repository's
    files, `runtime` what the runtime says of itself, `answered_in_s` what the warm-up request took.
    A `measured` one shares neither core nor GPU with another measured one.
    A server belongs to an `owner` (a deployment) or has a lease (`lease_until`): it is on trial, and removed when the
    lease passes. It is failed with `error`, else draining with `drain_until`, else ready with `started_in_s`.
    Older records have `machine_failed` as `lacked_files`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    purpose: str
    owner: str | None = None
    served: ServedModel
    option: HardwareOption
    core_set: tuple[int, ...]
    gpu: GpuPlacement | None = None
    measured: bool = False
    gpu_seen: CudaView | None = None
    ports: Ports
    created: float = 0.0
    process: ProcessId | None = None
    launched: float | None = None
    confinement: Confinement = Confinement(None)
    seal: dict[str, str] = Field(default_factory=dict)
    runtime: dict[str, str] = Field(default_factory=dict)
    answered_in_s: float | None = None
    started_in_s: float | None = None
    lease_until: float | None = None
    drain_until: float | None = None
    error: str | None = None
    machine_failed: bool = Field(default=False, validation_alias=AliasChoices("machine_failed", "lacked_files"))
    log_tail: tuple[str, ...] = ()

    def observed(self) -> Replica:
        """The record as the API shows it. Addresses are shown once the server has a process."""
        running = self.process if self.error is None else None
        return Replica(
            id=self.id,
            state=self.state,
            pid=running.pid if running else None,
            grpc_address=self.grpc_address if running else None,
            http_address=f"{HOST}:{self.ports.http}" if running else None,
            metrics_address=f"{HOST}:{self.ports.metrics}" if running else None,
            core_set=self.core_set,
            gpu=self.gpu,
            gpu_seen=self.gpu_seen,
            memory_limit=self.confinement.memory,
            process_limit=self.confinement.tasks_said,
            runtime=self.runtime,
            started_in_s=self.started_in_s,
            error=self.error,
            machine_failed=self.machine_failed,
            log_tail=self.log_tail,
        )

    @property
    def device(self) -> str:
        cores = f"core(s) {', '.join(map(str, self.core_set))}"
        return cores if self.gpu is None else f"{cores} and GPU {self.gpu.uuid}"

    def shares_device(self, other: ServerRecord) -> bool:
        """Whether both compute on a core or a GPU."""
        same_gpu = self.gpu is not None and other.gpu is not None and self.gpu.uuid == other.gpu.uuid
        return same_gpu or not set(self.core_set).isdisjoint(other.core_set)

    @property
    def ready_at(self) -> float | None:
        return None if self.started_in_s is None else (self.launched or self.created) + self.started_in_s

    @property
    def grpc_address(self) -> str:
        return f"{HOST}:{self.ports.grpc}"

    @property
    def state(self) -> Literal["starting", "ready", "draining", "failed"]:
        if self.error is not None:
            return "failed"
        if self.drain_until is not None:
            return "draining"
        return "starting" if self.started_in_s is None else "ready"


def write_record(folder: Path, record: ServerRecord) -> None:
    """Keep the record in the replica's folder; readers see the former one or this one."""
    atomic_write(folder / FILE, record.model_dump_json(indent=1).encode())


def read_record(folder: Path) -> ServerRecord | None:
    """The record of the replica in `folder`; None when there is none or it cannot be understood."""
    try:
        return ServerRecord.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return None
