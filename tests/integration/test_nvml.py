"""pynvml itself, over the real library without a driver, over none, and over a stand-in at the library's own ABI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.debian import library_path, program, unpacked

ASK = """
import json, dataclasses
from seatrial.nvml import find_gpus, nvml, read_gpu
gpus = find_gpus()
readings = []
if gpus.found:
    with nvml() as library:
        readings = [dataclasses.asdict(read_gpu(library, gpu.uuid)) for gpu in gpus.found]
print(json.dumps({**dataclasses.asdict(gpus), "readings": readings}))
"""


def ask(libraries: str) -> dict[str, Any]:
    """What `find_gpus` and `read_gpu` say in a process that finds NVML in `libraries`, or nowhere."""
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("nvml")
    source = Path(__file__).parent.parent / "standins" / "nvml.c"
    library = folder / "libnvidia-ml.so.1"
    subprocess.run(
        [program("cc", "gcc", "libc6-dev"), "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source], check=True
    )
    return str(folder)


@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="this machine has a driver")
def test_without_a_driver_there_is_no_gpu_and_the_reason_is_said() -> None:
    root = unpacked("libnvidia-ml1", component="non-free")
    assert ask(library_path(root)) == {"found": [], "driver": "", "reason": "NVML: Driver Not Loaded", "readings": []}


def test_without_the_library_there_is_no_gpu_and_the_reason_is_said(tmp_path: Path) -> None:
    found = ask(str(tmp_path))
    if not found["found"]:
        assert "NVML: " in str(found["reason"])


def test_gpus_are_told_by_uuid_model_memory_and_compute_capability(standin: str) -> None:
    found = ask(standin)
    assert found["driver"] == "535.0 (simulated)"
    assert found["found"] == [
        {
            "index": 0,
            "uuid": "GPU-aaaaaaaa-0000-0000-0000-000000000000",
            "model": "Tesla T4",
            "memory_mib": 15360,
            "compute_capability": "7.5",
            "compute_mode": "default",
        },
        {
            "index": 1,
            "uuid": "GPU-bbbbbbbb-0000-0000-0000-000000000000",
            "model": "Tesla P40",
            "memory_mib": 23040,
            "compute_capability": "6.1",
            "compute_mode": "default",
        },
    ]


def test_a_figure_that_a_gpu_does_not_offer_is_none_and_idleness_is_no_throttling(standin: str) -> None:
    t4, p40 = ask(standin)["readings"]
    assert t4 == {
        "kernel_percent": 97,
        "memory_percent": 20,
        "memory_mib": 1024,
        "sm_mhz": 1590,
        "memory_mhz": 5001,
        "power_w": 35.0,
        "energy_j": 90.0,
        "throttled": ["software power cap"],
        "mps_clients": [4001, 4002],
        "processes": [],
    }
    assert p40["energy_j"] is None
    assert p40["throttled"] == []
