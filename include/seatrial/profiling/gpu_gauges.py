"""What one GPU does while load is on a server, sampled from NVML."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean

from pydantic import BaseModel, ConfigDict

from seatrial.nvml import GpuReading, nvml, read_gpu
from seatrial.profiling.sampling import EVERY_S, sampling, thinned


class GpuCurve(BaseModel):
    """One GPU over time, one entry a sample, of long windows every so many: `at_s` since the window began."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_s: tuple[float, ...] = ()
    kernel_percent: tuple[int | None, ...] = ()
    memory_percent: tuple[int | None, ...] = ()
    sm_mhz: tuple[int | None, ...] = ()
    power_w: tuple[float | None, ...] = ()


class GpuUse(BaseModel):
    """One GPU over one window. None: the GPU does not offer the figure.

    `kernel_percent_mean` is the share of time with any kernel running, of any process: never a sign of what is left.
    `memory_percent_mean` is the share of time in which its memory was read or written. `throttled` names what slowed
    the clock down meanwhile; with anything in it the window is no measure of capacity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kernel_percent_mean: float | None = None
    memory_percent_mean: float | None = None
    memory_mib_peak: int | None = None
    sm_mhz_min: int | None = None
    sm_mhz_mean: float | None = None
    memory_mhz_min: int | None = None
    power_w_mean: float | None = None
    energy_j: float | None = None
    throttled: tuple[str, ...] = ()
    mps_clients_peak: int = 0
    curve: GpuCurve = GpuCurve()


@dataclass
class GpuGauge:
    """Readings so far, and when each was made in seconds on the monotonic clock; `use` sums them up."""

    readings: list[GpuReading] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)

    def use(self) -> GpuUse:
        return summary(self.readings, self.at_s)


@contextmanager
def watch_gpu(uuid: str | None) -> Iterator[GpuGauge]:
    """Fill the yielded gauge while the block runs; it is complete afterwards. Without a UUID it stays empty."""
    gauge = GpuGauge()
    if uuid is None:
        yield gauge
        return
    with sampling(partial(_sample, uuid, gauge), "gpu gauge"):
        yield gauge


def summary(readings: Sequence[GpuReading], at_s: Sequence[float]) -> GpuUse:
    """Means, peaks, what was throttled, and the curve (pure)."""
    if not readings:
        return GpuUse()
    energy = [reading.energy_j for reading in readings if reading.energy_j is not None]
    return GpuUse(
        kernel_percent_mean=_mean([reading.kernel_percent for reading in readings]),
        memory_percent_mean=_mean([reading.memory_percent for reading in readings]),
        memory_mib_peak=max((r.memory_mib for r in readings if r.memory_mib is not None), default=None),
        sm_mhz_min=min((r.sm_mhz for r in readings if r.sm_mhz is not None), default=None),
        sm_mhz_mean=_mean([reading.sm_mhz for reading in readings]),
        memory_mhz_min=min((r.memory_mhz for r in readings if r.memory_mhz is not None), default=None),
        power_w_mean=_mean([reading.power_w for reading in readings]),
        energy_j=round(energy[-1] - energy[0], 3) if energy else None,
        throttled=tuple(sorted({name for reading in readings for name in reading.throttled})),
        mps_clients_peak=max(len(reading.mps_clients) for reading in readings),
        curve=_curve(readings, at_s),
    )


def _curve(readings: Sequence[GpuReading], at_s: Sequence[float]) -> GpuCurve:
    kept = thinned(list(zip(at_s, readings, strict=True)))
    return GpuCurve(
        at_s=tuple(round(at - at_s[0], 2) for at, _ in kept),
        kernel_percent=tuple(reading.kernel_percent for _, reading in kept),
        memory_percent=tuple(reading.memory_percent for _, reading in kept),
        sm_mhz=tuple(reading.sm_mhz for _, reading in kept),
        power_w=tuple(reading.power_w for _, reading in kept),
    )


def _sample(uuid: str, gauge: GpuGauge, stop: threading.Event) -> None:
    with nvml() as library:
        ended = False
        while not ended:
            gauge.readings.append(read_gpu(library, uuid))
            gauge.at_s.append(time.monotonic())
            ended = stop.wait(EVERY_S)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(fmean(known), 2) if known else None
