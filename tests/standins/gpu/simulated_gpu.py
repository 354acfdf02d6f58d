"""The CUDA provider of ONNX Runtime where there is no GPU: right answers, after the time that a simulated device takes.

Imported by the model's process of a stand-in installation of Triton (`installation.py`). Where that process sees a GPU
by CUDA_VISIBLE_DEVICES, it has a CUDAExecutionProvider here. The answers are the CPU's, kept for requests that come
again; what an execution takes is `device_s`: a known function of the GPU, its share, and how many other processes
compute on it in that moment. Everything measured on it is simulated.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime

T4, P40 = (f"GPU-{letter * 8}-0000-0000-0000-000000000000" for letter in "ab")
WHOLE_S = {T4: 0.004, P40: 0.003}
USED = 0.5
"""Share of its multiprocessors that the network can use: with that much of the GPU it is as quick as with all."""
INTERFERENCE = 0.25
"""What each other process that computes adds: caches and memory bandwidth are no client's own."""
SLOTS = 32
PROVIDER = "CUDAExecutionProvider"


def device_s(uuid: str, share: float, others: int) -> float:
    """Seconds of one execution on a share of the GPU beside `others` that compute."""
    return WHOLE_S[uuid] * max(1.0, USED / share) * (1 + INTERFERENCE * others)


class Device:
    """One process's place on a GPU. Who computes holds a lock on a byte of a file, which the kernel gives back for it
    when it is killed."""

    def __init__(self, uuid: str, folder: Path) -> None:
        self._uuid = uuid
        self._share = float(os.environ.get("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "100")) / 100
        self._file = os.open(folder / uuid, os.O_RDWR | os.O_CREAT)
        self._slot = next(slot for slot in range(SLOTS) if self._lock(SLOTS + slot, wait=False))

    def compute(self) -> None:
        self._lock(self._slot, wait=True)
        time.sleep(device_s(self._uuid, self._share, sum(map(self._is_held, range(SLOTS)))))
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._slot)

    def _is_held(self, slot: int) -> bool:
        if slot == self._slot:
            return False
        if self._lock(slot, wait=False):
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, slot)
            return False
        return True

    def _lock(self, byte: int, *, wait: bool) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
        except OSError:
            return False
        return True


class SimulatedSession:
    """As much of an InferenceSession as the runtime asks of one."""

    def __init__(self, path: str, options: Any, given: Mapping[str, str]) -> None:
        self._session = _InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._given, self._known = dict(given), dict[str, list[Any]]()
        self._device = Device(os.environ["CUDA_VISIBLE_DEVICES"], Path(__file__).parent)

    def get_session_options(self) -> Any:
        return self._session.get_session_options()

    def get_providers(self) -> list[str]:
        return [PROVIDER, "CPUExecutionProvider"]

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        return {PROVIDER: self._given, "CPUExecutionProvider": {}}

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Any]) -> list[Any]:
        asked = hashlib.sha256(b"".join(name.encode() + array.tobytes() for name, array in inputs.items())).hexdigest()
        if asked not in self._known:
            self._known[asked] = self._session.run(outputs, inputs)
        self._device.compute()
        return self._known[asked]


def _session(path: str, options: Any, providers: Sequence[Any]) -> Any:
    name, given = providers[0]
    return SimulatedSession(path, options, given) if name == PROVIDER else _InferenceSession(path, options, providers)


_InferenceSession = onnxruntime.InferenceSession
if os.environ.get("CUDA_VISIBLE_DEVICES", "").startswith("GPU-"):
    _available = onnxruntime.get_available_providers()
    onnxruntime.get_available_providers = lambda: [PROVIDER, *_available]
    onnxruntime.preload_dlls = lambda: None
    onnxruntime.InferenceSession = _session
