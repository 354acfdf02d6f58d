"""Hardware options: the ways in which one replica of a model can be run."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class HardwareOption(BaseModel):
    """One way to run a replica. `price` is relative: what an hour of it costs, in any one unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="Unique among the options, e.g. cpu-1x1.")
    device: Literal["cpu", "gpu"] = "cpu"
    cores: int = Field(1, ge=1, le=1024, description="CPU cores in the replica's core set.")
    threads: int = Field(1, ge=1, le=1024, description="Intra-op threads of each instance, by the runtime's own knob.")
    instances: int = Field(1, ge=1, le=64, description="Model instances inside the replica.")
    gpu: str | None = Field(None, description="GPU model, e.g. T4; only with device=gpu.")
    mps_share: float | None = Field(None, gt=0, le=1, description="Share of the GPU under MPS; only with device=gpu.")
    price: float = Field(1.0, gt=0)
