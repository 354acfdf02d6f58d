"""What CUDA gives to the processes of a replica, read back from a process of our own that is started as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib import resources

from pydantic import BaseModel, ConfigDict, ValidationError

from seatrial.errors import ServerFailed
from seatrial.serving.placement import GpuPlacement

PROBE_S = 20.0
"""For the probe: a CUDA context takes 0.3 s, or some seconds where the driver has to load first."""

GRANULE = 2
"""MPS gives multiprocessors out in pairs (a TPC has two) and rounds a share to them."""


class CudaView(BaseModel):
    """What one process gets of its GPU. `refused`: whether it was refused more memory than its limit; None without one.

    The memory figures are the whole device's: MPS enforces a limit, but does not show it there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    multiprocessors: int
    memory_mib: int
    memory_free_mib: int
    refused: bool | None = None


def cuda_view(environment: Mapping[str, str], limit_mib: int | None = None, timeout_s: float = PROBE_S) -> CudaView:
    """What a process with that environment gets; with a limit it also asks for as much, which with CUDA's own needs is
    too much. Raises ServerFailed with what CUDA answered."""
    arguments = [] if limit_mib is None else [str(limit_mib)]
    with resources.as_file(resources.files("seatrial.serving") / "cuda_probe.py") as probe:
        try:
            done = subprocess.run(
                [sys.executable, "-I", str(probe), *arguments],
                env=dict(environment),
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
            return CudaView.model_validate(json.loads(done.stdout))
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServerFailed(f"CUDA could not be asked: {error}") from error
        except (ValueError, ValidationError) as error:
            last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise ServerFailed(f"CUDA could not be asked: {last[:300]}") from error


def view_flaw(placement: GpuPlacement, whole: CudaView, seen: CudaView) -> str | None:
    """Why what is seen is not the share that was asked for; None when it is (pure). `whole`: seen without MPS."""
    if placement.mps_share is None:
        return None
    wanted = placement.mps_share * whole.multiprocessors
    if abs(seen.multiprocessors - wanted) > GRANULE:
        return (
            f"a share of {placement.mps_share:g} is {wanted:.0f} of {whole.multiprocessors} multiprocessors, "
            f"CUDA gives {seen.multiprocessors}"
        )
    if placement.memory_mib is not None and not seen.refused:
        return f"{placement.memory_mib} MiB of GPU memory were set as the limit, CUDA gives more"
    return None
