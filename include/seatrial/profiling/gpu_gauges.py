"""What one GPU does while load is on a server, sampled from NVML."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean

from pydantic import BaseModel, ConfigDict

from seatrial.nvml import GpuReading, nvml, read_gpu
from seatrial.profiling.sampling import EVERY_S, sampling


class GpuUse(BaseModel):
    """One GPU over one window. None: the GPU does not offer the figure.

    `kernel_percent_mean` is the share of time with any kernel running, of any process: never a sign of what is left.
    `throttled` names what slowed the clock down meanwhile; with anything in it the window is no measure of capacity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kernel_percent_mean: float | None = None
    memory_mib_peak: int | None = None
    sm_mhz_min: int | None = None
    power_w_mean: float | None = None
    energy_j: float | None = None
    throttled: tuple[str, ...] = ()
    mps_clients_peak: int = 0


@dataclass
class GpuGauge:
    """Readings so far; `use` sums them up."""

    readings: list[GpuReading] = field(default_factory=list)

    def use(self) -> GpuUse:
        return summary(self.readings)


@contextmanager
def watch_gpu(uuid: str | None) -> Iterator[GpuGauge]:
    """Fill the yielded gauge while the block runs; it is complete afterwards. Without a UUID it stays empty."""
    gauge = GpuGauge()
    if uuid is None:
        yield gauge
        return
    with sampling(partial(_sample, uuid, gauge), "gpu gauge"):
        yield gauge


def summary(readings: Sequence[GpuReading]) -> GpuUse:
    """Means, peaks and what was throttled (pure)."""
    if not readings:
        return GpuUse()
    energy = [reading.energy_j for reading in readings if reading.energy_j is not None]
    return GpuUse(
        kernel_percent_mean=_mean([reading.kernel_percent for reading in readings]),
        memory_mib_peak=max((r.memory_mib for r in readings if r.memory_mib is not None), default=None),
        sm_mhz_min=min((r.sm_mhz for r in readings if r.sm_mhz is not None), default=None),
        power_w_mean=_mean([reading.power_w for reading in readings]),
        energy_j=round(energy[-1] - energy[0], 3) if energy else None,
        throttled=tuple(sorted({name for reading in readings for name in reading.throttled})),
        mps_clients_peak=max(len(reading.mps_clients) for reading in readings),
    )


def _sample(uuid: str, gauge: GpuGauge, stop: threading.Event) -> None:
    with nvml() as library:
        ended = False
        while not ended:
            gauge.readings.append(read_gpu(library, uuid))
            ended = stop.wait(EVERY_S)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(fmean(known), 2) if known else None
