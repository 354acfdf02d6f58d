"""The MPS daemons of this machine: one a GPU, there as long as a replica has a share of that GPU."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from seatrial.errors import ServerFailed
from seatrial.hardware import HardwareOption
from seatrial.serving.cuda_view import CudaView, cuda_view, view_flaw
from seatrial.serving.mps import MpsDaemon, MpsLimits
from seatrial.serving.placement import NO_GPU, GpuPlacement, thread_percentage
from seatrial.waiting import Deadline

PROGRAM = "nvidia-cuda-mps-control"
BESIDE_THE_DRIVER = "/usr/local/nvidia/bin:/usr/sbin"


def limits_of(options: Iterable[HardwareOption]) -> MpsLimits:
    """The most that one client may have: the largest share and memory of all options (pure).

    A process that loses its environment, or never had one, gets no more than the largest option's replica would.
    """
    shared = [option for option in options if option.mps_share is not None]
    share = max((option.mps_share or 0.0 for option in shared), default=1.0)
    memory = [option.gpu_memory_mib for option in shared]
    limit = max((mib or 0 for mib in memory), default=0)
    return MpsLimits(thread_percentage(share), None if None in memory or not limit else limit)


class MpsDaemons:
    """All below one folder, `<folder>/<GPU's UUID>/`. Usable from many threads."""

    def __init__(self, folder: Path, options: Sequence[HardwareOption], program: Path | None = None) -> None:
        self._folder, self._limits, self._program = folder, limits_of(options), program
        self._lock, self._whole = threading.Lock(), dict[str, CudaView]()

    def environment(self, placement: GpuPlacement | None, deadline: Deadline) -> Mapping[str, str]:
        """What a replica's processes are started with, its daemon running. Raises ServerFailed without one."""
        if placement is None:
            return NO_GPU
        if placement.mps_share is None:
            return self._alone(placement)
        with self._lock:
            daemon = self._daemon(placement.uuid)
            daemon.start(self._limits, deadline)
            return daemon.client_environment(placement)

    def read_back(self, placement: GpuPlacement, environment: Mapping[str, str]) -> CudaView:
        """What a process of the replica sees of its GPU. Raises ServerFailed when that is not its share."""
        seen = cuda_view(environment, placement.memory_mib)
        if placement.uuid not in self._whole:
            self._whole[placement.uuid] = cuda_view({**environment, **self._alone(placement)})
        if flaw := view_flaw(placement, self._whole[placement.uuid], seen):
            raise ServerFailed(f"{placement.model} ({placement.uuid}): {flaw}")
        return seen

    def keep(self, placements: Iterable[GpuPlacement]) -> None:
        """Quit the daemons of GPUs of which no placement has a share, also those of a manager that was killed."""
        needed = {placement.uuid for placement in placements if placement.mps_share is not None}
        if not self._folder.exists():
            return
        with self._lock:
            for folder in self._folder.iterdir():
                if folder.is_dir() and folder.name not in needed:
                    MpsDaemon(folder.name, folder, self._program or Path(PROGRAM)).stop()

    def _alone(self, placement: GpuPlacement) -> Mapping[str, str]:
        """Past MPS: nobody listens in that directory, so it is not even by accident somebody else's client."""
        return {"CUDA_VISIBLE_DEVICES": placement.uuid, "CUDA_MPS_PIPE_DIRECTORY": str(self._folder / "none")}

    def _daemon(self, uuid: str) -> MpsDaemon:
        return MpsDaemon(uuid, self._folder / uuid, self._program or _find_program())


def _find_program() -> Path:
    found = shutil.which(PROGRAM) or shutil.which(PROGRAM, path=BESIDE_THE_DRIVER)
    if found is None:
        raise ServerFailed(f"{PROGRAM} is not installed (Debian: the package nvidia-cuda-mps of the driver's version)")
    return Path(found)
