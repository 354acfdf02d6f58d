"""What is wanted and what is running: values without behaviour, kept on disk and shown by the API as they are."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving.cuda_view import CudaView
from seatrial.serving.placement import GpuPlacement


class DeploymentSpec(BaseModel):
    """What is wanted for one version in one environment."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model_id: int
    served: ServedModel
    environment: str = "local"
    option: HardwareOption
    replicas: int = Field(default=1, ge=1, le=256)


class Replica(BaseModel):
    """One Inference Server as observed. `error` and `log_tail` are set once it has failed.

    `gpu_seen` is what CUDA gives to its processes, read back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str
    state: Literal["starting", "ready", "draining", "failed", "stopped"]
    pid: int | None = None
    grpc_address: str | None = None
    http_address: str | None = None
    metrics_address: str | None = None
    core_set: tuple[int, ...] = ()
    gpu: GpuPlacement | None = None
    gpu_seen: CudaView | None = None
    memory_limit: str | None = Field(
        default=None, description="Its memory limit and what keeps it, read back; none: no limit."
    )
    process_limit: str | None = Field(
        default=None, description="How many processes and threads it may have and what keeps that, or why nothing does."
    )
    runtime: dict[str, str] = Field(default_factory=dict, description="What the running runtime says of itself.")
    started_in_s: float | None = Field(
        default=None, description="Seconds from process start to the first answered request."
    )
    error: str | None = None
    machine_failed: bool = Field(
        default=False,
        description="The machine failed it (storage away, disk full), not its model: another one may succeed.",
    )
    log_tail: tuple[str, ...] = ()


class Deployment(BaseModel):
    """A spec with what is running for it. Ready when every wanted replica has answered a warm-up request."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    spec: DeploymentSpec
    wanted_at_ms: int
    state: Literal["starting", "ready", "draining", "failed", "stopped"]
    replicas: tuple[Replica, ...] = ()
    error: str | None = None
    requests_per_s: float | None = Field(
        default=None,
        description="The load that arrives at its ready replicas now; null while it is not known of each of them.",
    )
    kept_warm_until_ms: int | None = Field(
        default=None,
        description="Until when (milliseconds since 1970) it stays for a rollback; it serves no stage meanwhile.",
    )
