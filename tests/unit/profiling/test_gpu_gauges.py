from __future__ import annotations

from seatrial.nvml import GpuReading
from seatrial.profiling.gpu_gauges import GpuUse, summary, watch_gpu


def reading(**fields: object) -> GpuReading:
    known = {"kernel_percent": 50, "memory_mib": 1000, "sm_mhz": 1500, "power_w": 60.0, "energy_j": 10.0}
    rest = {"throttled": (), "mps_clients": (), "processes": ()}
    return GpuReading(**{**known, **rest, **fields})  # type: ignore[arg-type]


def test_a_window_shows_means_peaks_the_slowest_clock_and_the_energy_used() -> None:
    found = summary([reading(), reading(kernel_percent=100, memory_mib=3000, sm_mhz=900, power_w=80.0, energy_j=25.5)])
    assert found == GpuUse(
        kernel_percent_mean=75.0, memory_mib_peak=3000, sm_mhz_min=900, power_w_mean=70.0, energy_j=15.5
    )


def test_one_throttled_moment_marks_the_whole_window() -> None:
    found = summary([reading(), reading(throttled=("hardware slowdown",)), reading(mps_clients=(1, 2))])
    assert found.throttled == ("hardware slowdown",)
    assert found.mps_clients_peak == 2


def test_what_the_gpu_does_not_offer_is_none_and_not_zero() -> None:
    found = summary([reading(kernel_percent=None, memory_mib=None, sm_mhz=None, power_w=None, energy_j=None)])
    assert found == GpuUse()


def test_without_a_gpu_nothing_is_read() -> None:
    with watch_gpu(None) as gauge:
        pass
    assert gauge.use() == GpuUse()
