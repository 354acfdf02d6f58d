"""Hardware options: the ways in which one replica of a model can be run."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

GPU_FIELDS = ("gpu", "gpu_uuid", "compute_capability", "tensorrt", "mps_share", "gpu_memory_mib")


class HardwareOption(BaseModel):
    """One way to run a replica. `price` is relative: what an hour of it costs, in any one unit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="Unique among the options, e.g. cpu-1x1.")
    device: Literal["cpu", "gpu"] = "cpu"
    cores: int = Field(default=1, ge=1, le=1024, description="CPU cores in the replica's core set.")
    threads: int = Field(
        default=1, ge=1, le=1024, description="Intra-op threads of each instance, by the runtime's own knob."
    )
    instances: int = Field(default=1, ge=1, le=64, description="Model instances inside the replica.")
    memory_mib: int | None = Field(
        default=None, ge=128, le=2**24, description="Limit of the replica's memory in MiB; default: none."
    )
    gpu: str | None = Field(default=None, max_length=128, description="GPU model, e.g. T4; any where it is left out.")
    gpu_uuid: str | None = Field(
        default=None, pattern=r"^GPU-[0-9a-fA-F-]{1,64}$", description="This very GPU, by NVML's UUID."
    )
    compute_capability: str | None = Field(
        default=None, pattern=r"^\d{1,2}\.\d$", description="Of the GPU, e.g. 7.5; known by itself for common models."
    )
    tensorrt: str | None = Field(
        default=None,
        pattern=r"^\d{1,2}(\.\d{1,3}){1,3}$",
        description="TensorRT version of the server's image, e.g. 10.3.0: plans of another one are refused before they "
        "are deployed. Left out, loading a plan tells.",
    )
    mps_share: float | None = Field(
        default=None, gt=0, le=1, description="Share of the GPU's multiprocessors, under MPS."
    )
    gpu_memory_mib: int | None = Field(default=None, ge=1, description="MiB of GPU memory under MPS; needs mps_share.")
    price: float = Field(default=1.0, gt=0)
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32", description="What the file's FP32 layers may be computed in. A TensorRT plan brings its own."
    )
    max_batch: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="Rows that may run as one batch, and the most that one request may have, for models whose layers "
        "all have a free first dimension. 1: no batching, and a request may have any number of rows.",
    )
    max_queue_delay_us: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="Microseconds a request may wait for others; only with max_batch > 1.",
    )

    @model_validator(mode="after")
    def _gpu_fields_need_a_gpu(self) -> Self:
        given = [name for name in GPU_FIELDS if getattr(self, name) is not None]
        if self.device == "cpu" and given:
            raise ValueError(f"{given[0]} needs device gpu, this option has device cpu")
        if self.gpu_memory_mib is not None and self.mps_share is None:
            raise ValueError("gpu_memory_mib needs mps_share: only MPS can limit a process's GPU memory")
        return self

    @model_validator(mode="after")
    def _a_delay_needs_batches(self) -> Self:
        if self.max_queue_delay_us and self.max_batch == 1:
            raise ValueError("max_queue_delay_us needs max_batch above 1: there is nothing to wait for")
        return self
