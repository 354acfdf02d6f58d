"""What NVML says of this machine's GPUs. The only importer of pynvml."""

from __future__ import annotations

import warnings
from dataclasses import dataclass


@dataclass(frozen=True)
class Gpus:
    """`models` by index; when there are none, `reason` says what NVML answered."""

    models: tuple[str, ...]
    reason: str = ""


def find_gpus() -> Gpus:
    """The GPUs of this machine. No driver and no library are answers, not errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of its own name: it is the nvidia-ml-py package by another
        import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Gpus((), f"NVML: {error}")
    try:
        count = pynvml.nvmlDeviceGetCount()
        names = [pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(index)) for index in range(count)]
    except pynvml.NVMLError as error:
        return Gpus((), f"NVML: {error}")
    finally:
        pynvml.nvmlShutdown()
    models = tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names)
    return Gpus(models, "" if models else "NVML: no devices")
