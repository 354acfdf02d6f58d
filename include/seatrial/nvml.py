"""What NVML says of this machine's GPUs: which there are, and what they do now. The only importer of pynvml.

No driver, no library and no device are answers (`Gpus.reason`), not errors. A figure that a device does not offer is
None, never a made-up zero.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

THROTTLED = {
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}
"""Clock event reasons that slow work down. Idle and application clocks are reasons too, but no throttling."""

COMPUTE_MODES = ("default", "exclusive thread", "prohibited", "exclusive process")


@dataclass(frozen=True)
class Gpu:
    """One GPU. `uuid` names it for good; its index can change with the next boot."""

    index: int
    uuid: str
    model: str
    memory_mib: int
    compute_capability: str
    compute_mode: str


@dataclass(frozen=True)
class Gpus:
    """The GPUs by index; when there are none, `reason` says what NVML answered."""

    found: tuple[Gpu, ...]
    driver: str = ""
    reason: str = ""


@dataclass(frozen=True)
class GpuReading:
    """One moment of one GPU. Under MPS the utilization is the whole device's, never a client's.

    `kernel_percent` is the share of the last second or less with *any* kernel running: about 100 for one tiny stream,
    so it says nothing of capacity. `memory_percent` is the share in which its memory was read or written.
    `energy_j` counts from the driver's start.
    """

    kernel_percent: int | None
    memory_percent: int | None
    memory_mib: int | None
    sm_mhz: int | None
    memory_mhz: int | None
    power_w: float | None
    energy_j: float | None
    throttled: tuple[str, ...]
    mps_clients: tuple[int, ...]
    processes: tuple[int, ...]


def find_gpus() -> Gpus:
    """The GPUs of this machine."""
    try:
        with nvml() as library:
            driver = str(library.nvmlSystemGetDriverVersion())
            found = tuple(_gpu(library, index) for index in range(library.nvmlDeviceGetCount()))
    except _error() as error:
        return Gpus((), reason=f"NVML: {error}")
    return Gpus(found, driver, "" if found else "NVML: no devices")


@contextmanager
def nvml() -> Iterator[Any]:
    """The library, initialised, for as long as the block runs. Raises its own NVMLError."""
    library = _library()
    library.nvmlInit()
    try:
        yield library
    finally:
        library.nvmlShutdown()


def read_gpu(library: Any, uuid: str) -> GpuReading:
    """What one GPU does now. Raises NVMLError when there is no such GPU."""
    device = library.nvmlDeviceGetHandleByUUID(uuid)
    events = _offered(lambda: int(library.nvmlDeviceGetCurrentClocksEventReasons(device))) or 0
    power_mw = _offered(lambda: int(library.nvmlDeviceGetPowerUsage(device)))
    energy_mj = _offered(lambda: int(library.nvmlDeviceGetTotalEnergyConsumption(device)))
    return GpuReading(
        kernel_percent=_offered(lambda: int(library.nvmlDeviceGetUtilizationRates(device).gpu)),
        memory_percent=_offered(lambda: int(library.nvmlDeviceGetUtilizationRates(device).memory)),
        memory_mib=_offered(lambda: int(library.nvmlDeviceGetMemoryInfo(device).used) // 2**20),
        sm_mhz=_offered(lambda: int(library.nvmlDeviceGetClockInfo(device, library.NVML_CLOCK_SM))),
        memory_mhz=_offered(lambda: int(library.nvmlDeviceGetClockInfo(device, library.NVML_CLOCK_MEM))),
        power_w=None if power_mw is None else power_mw / 1000,
        energy_j=None if energy_mj is None else energy_mj / 1000,
        throttled=tuple(name for bit, name in THROTTLED.items() if events & bit),
        mps_clients=_pids(lambda: library.nvmlDeviceGetMPSComputeRunningProcesses_v3(device)),
        processes=_pids(lambda: library.nvmlDeviceGetComputeRunningProcesses_v3(device)),
    )


def _gpu(library: Any, index: int) -> Gpu:
    device = library.nvmlDeviceGetHandleByIndex(index)
    major, minor = library.nvmlDeviceGetCudaComputeCapability(device)
    mode = _offered(lambda: int(library.nvmlDeviceGetComputeMode(device)))
    return Gpu(
        index=index,
        uuid=str(library.nvmlDeviceGetUUID(device)),
        model=str(library.nvmlDeviceGetName(device)),
        memory_mib=int(library.nvmlDeviceGetMemoryInfo(device).total) // 2**20,
        compute_capability=f"{major}.{minor}",
        compute_mode="unknown" if mode is None else COMPUTE_MODES[mode],
    )


def _pids(ask: Callable[[], Any]) -> tuple[int, ...]:
    return tuple(sorted(int(process.pid) for process in _offered(ask) or ()))


def _offered(ask: Callable[[], T]) -> T | None:
    """The answer, or None where the device or the driver has none."""
    try:
        return ask()
    except _error():
        return None


def _library() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of its own name: it is the nvidia-ml-py package by another
        import pynvml
    return pynvml


def _error() -> type[Exception]:
    error: type[Exception] = _library().NVMLError
    return error
