from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.errors import ServerFailed
from seatrial.hardware import HardwareOption
from seatrial.serving.cuda_view import CudaView, view_flaw
from seatrial.serving.mps import MpsDaemon, MpsLimits, memory_mib
from seatrial.serving.mps_daemons import limits_of
from seatrial.serving.placement import GpuPlacement

WHOLE = CudaView(multiprocessors=40, memory_mib=15000, memory_free_mib=14000)


def share(size: float, memory: int | None = None) -> HardwareOption:
    return HardwareOption.model_validate({"name": "o", "device": "gpu", "mps_share": size, "gpu_memory_mib": memory})


def placed(size: float | None, memory: int | None = None) -> GpuPlacement:
    return GpuPlacement(uuid="GPU-a", model="T4", mps_share=size, memory_mib=memory)


def seen(multiprocessors: int, refused: bool | None = None) -> CudaView:
    return CudaView(multiprocessors=multiprocessors, memory_mib=15000, memory_free_mib=14000, refused=refused)


@pytest.mark.parametrize(("shown", "mib"), [("", None), ("2G", 2048), ("500M", 500)])
def test_a_memory_limit_is_read_as_the_daemon_shows_it(shown: str, mib: int | None) -> None:
    assert memory_mib(shown) == mib


def test_a_memory_limit_in_another_form_is_not_guessed_at() -> None:
    with pytest.raises(ServerFailed, match="'12X'"):
        memory_mib("12X")


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        ([], MpsLimits(100.0, None)),
        ([share(0.5), share(0.25)], MpsLimits(50.0, None)),
        ([share(0.5, 4000), share(0.25, 2000)], MpsLimits(50.0, 4000)),
        ([share(0.5, 4000), share(0.25)], MpsLimits(50.0, None)),
        ([HardwareOption.model_validate({"name": "c"}), share(1 / 3)], MpsLimits(33.3, None)),
    ],
)
def test_a_daemon_gives_no_client_more_than_the_largest_option(
    options: list[HardwareOption], limits: MpsLimits
) -> None:
    assert limits_of(options) == limits


def test_a_replica_is_told_its_share_and_its_memory(tmp_path: Path) -> None:
    daemon = MpsDaemon("GPU-a", tmp_path / "GPU-a", Path("nvidia-cuda-mps-control"))
    told = daemon.client_environment(placed(0.25, 2000))
    assert told["CUDA_VISIBLE_DEVICES"] == "GPU-a"
    assert told["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == "25"
    assert told["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=2000M"
    assert "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT" not in daemon.client_environment(placed(0.25))


def test_the_sockets_fit_into_what_the_kernel_takes_wherever_the_state_lies(tmp_path: Path) -> None:
    daemon = MpsDaemon("GPU-a", tmp_path / ("deep/" * 40) / "GPU-a", Path("nvidia-cuda-mps-control"))
    assert len(str(daemon.pipes / "control_privileged")) <= 107


@pytest.mark.parametrize(
    ("placement", "view", "said"),
    [
        (placed(None), seen(40), None),
        (placed(0.25), seen(10), None),
        (placed(0.3), seen(10), None),  # 12 asked for: an H100 gives 42 of 132 for a third
        (placed(0.25), seen(40), "a share of 0.25 is 10 of 40 multiprocessors, CUDA gives 40"),
        (placed(0.5, 4000), seen(20, refused=False), "4000 MiB of GPU memory were set as the limit, CUDA gives more"),
        (placed(0.5, 4000), seen(20, refused=True), None),
    ],
)
def test_a_share_counts_only_when_cuda_shows_it(placement: GpuPlacement, view: CudaView, said: str | None) -> None:
    assert view_flaw(placement, WHOLE, view) == said
