from __future__ import annotations

from seatrial.nvml import GpuReading
from seatrial.profiling.gpu_gauges import GpuCurve, GpuUse, summary, watch_gpu
from seatrial.profiling.sampling import CURVE


def reading(**fields: object) -> GpuReading:
    known = {"kernel_percent": 50, "memory_percent": 20, "memory_mib": 1000, "sm_mhz": 1500, "memory_mhz": 5000}
    rest = {"power_w": 60.0, "energy_j": 10.0, "throttled": (), "mps_clients": (), "processes": ()}
    return GpuReading(**{**known, **rest, **fields})  # type: ignore[arg-type]


def test_a_window_shows_means_peaks_the_slowest_clocks_the_energy_used_and_the_curve() -> None:
    busy = reading(kernel_percent=100, memory_percent=80, memory_mib=3000, sm_mhz=900, power_w=80.0, energy_j=25.5)
    found = summary([reading(), busy], [100.0, 100.25])
    assert found == GpuUse(
        kernel_percent_mean=75.0,
        memory_percent_mean=50.0,
        memory_mib_peak=3000,
        sm_mhz_min=900,
        sm_mhz_mean=1200.0,
        memory_mhz_min=5000,
        power_w_mean=70.0,
        energy_j=15.5,
        curve=GpuCurve(
            at_s=(0.0, 0.25),
            kernel_percent=(50, 100),
            memory_percent=(20, 80),
            sm_mhz=(1500, 900),
            power_w=(60.0, 80.0),
        ),
    )


def test_one_throttled_moment_marks_the_whole_window() -> None:
    readings = [reading(), reading(throttled=("hardware slowdown",)), reading(mps_clients=(1, 2))]
    found = summary(readings, [0.0, 0.25, 0.5])
    assert found.throttled == ("hardware slowdown",)
    assert found.mps_clients_peak == 2


def test_what_the_gpu_does_not_offer_is_none_and_not_zero() -> None:
    offered = ("kernel_percent", "memory_percent", "memory_mib", "sm_mhz", "memory_mhz", "power_w", "energy_j")
    found = summary([reading(**dict.fromkeys(offered))], [0.0])
    nothing = GpuCurve(at_s=(0.0,), kernel_percent=(None,), memory_percent=(None,), sm_mhz=(None,), power_w=(None,))
    assert found == GpuUse(curve=nothing)


def test_the_curve_of_a_long_window_is_bounded() -> None:
    found = summary([reading()] * 1000, [0.25 * number for number in range(1000)])
    assert len(found.curve.at_s) == len(found.curve.sm_mhz) == CURVE
    assert (found.curve.at_s[0], found.curve.at_s[-1]) == (0.0, 249.75)


def test_without_a_gpu_nothing_is_read() -> None:
    with watch_gpu(None) as gauge:
        pass
    assert gauge.use() == GpuUse()
