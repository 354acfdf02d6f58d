"""Which GPU a replica gets, and what its processes must be told to stay in their part of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.nvml import Gpu

NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}
"""For a replica on CPU: whatever it loads, no GPU is there for it."""


class GpuPlacement(BaseModel):
    """One replica's part of a GPU. `mps_share` None: the whole GPU, without MPS. `memory_mib` None: no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uuid: str
    model: str
    mps_share: float | None = None
    memory_mib: int | None = None

    @property
    def load(self) -> float:
        return 1.0 if self.mps_share is None else self.mps_share


def pick_gpu(
    option: HardwareOption, gpus: Sequence[Gpu], no_gpu_reason: str, taken: Iterable[GpuPlacement]
) -> GpuPlacement | None:
    """The least loaded GPU that the option names; None for an option on CPU.

    Shares may add up to more than a GPU, as cores may be shared: a new version has to start beside the old one. What
    cannot be shared is memory: Raises Refused when the option's limit does not fit beside the limits given already,
    and when there is no such GPU.
    """
    if option.device == "cpu":
        return None
    fitting = named_gpus(option, gpus)
    if not fitting:
        have = ", ".join(f"{gpu.model} ({gpu.uuid})" for gpu in gpus) or f"no GPU: {no_gpu_reason}"
        raise Refused(f"needs {option.gpu_uuid or option.gpu or 'a GPU'}, this machine has {have}")
    held = list(taken)
    roomy = [gpu for gpu in fitting if (option.gpu_memory_mib or 0) <= _free_mib(gpu, held)]
    if not roomy:
        free = max(_free_mib(gpu, held) for gpu in fitting)
        raise Refused(
            f"needs {option.gpu_memory_mib} MiB of GPU memory, {free} MiB are not promised to others",
            limit=free,
        )
    best = min(roomy, key=lambda gpu: (sum(place.load for place in held if place.uuid == gpu.uuid), gpu.index))
    return GpuPlacement(uuid=best.uuid, model=best.model, mps_share=option.mps_share, memory_mib=option.gpu_memory_mib)


def named_gpus(option: HardwareOption, gpus: Iterable[Gpu]) -> list[Gpu]:
    """Those that a replica of the option may get; none for an option on CPU."""
    return [gpu for gpu in gpus if option.device == "gpu" and _is_named(option, gpu)]


def thread_percentage(share: float) -> float:
    """MPS takes a share as a percentage of the GPU's multiprocessors, with one decimal."""
    return round(100 * share, 1)


def _is_named(option: HardwareOption, gpu: Gpu) -> bool:
    if option.gpu_uuid is not None and option.gpu_uuid != gpu.uuid:
        return False
    return option.gpu is None or option.gpu.lower() in gpu.model.lower()


def _free_mib(gpu: Gpu, taken: Iterable[GpuPlacement]) -> int:
    return gpu.memory_mib - sum(place.memory_mib or 0 for place in taken if place.uuid == gpu.uuid)
