"""What a machine with two simulated GPUs has: NVML, CUDA's driver, the real MPS daemon, a Triton that finds them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from seatrial.serving.tritonserver import TritonInstallation
from tests.debian import library_path, program, unpacked

STANDINS = Path(__file__).parent.parent


def simulated_gpus(home: Path) -> dict[str, str]:
    """Built below `home`; the environment in which the manager and Airflow see them. Of the driver, NVML is for who
    asks what there is, CUDA for the servers alone."""
    mps = unpacked("nvidia-cuda-mps", "libcuda1", component="non-free")
    nvml = _compiled(STANDINS / "nvml.c", home / "driver" / "libnvidia-ml.so.1")
    triton = _triton(home / "triton", TritonInstallation.find(None, home / "package"))
    return {
        "LD_LIBRARY_PATH": os.pathsep.join([str(nvml.parent), library_path(mps)]),
        "PATH": os.pathsep.join([os.environ["PATH"], str(mps / "usr" / "bin")]),
        "SEATRIAL_TRITON": str(triton),
    }


def _triton(folder: Path, real: TritonInstallation) -> Path:
    """The real server and its libraries, with CUDA's driver beside them and ONNX Runtime's CUDA provider."""
    for name in ("bin", "lib", "backends"):
        (folder / name).mkdir(parents=True)
    (folder / "bin" / "tritonserver").symlink_to(real.binary)
    for place in real.environment["LD_LIBRARY_PATH"].split(os.pathsep):
        for library in Path(place).iterdir():
            (folder / "lib" / library.name).symlink_to(library.resolve())
    _compiled(Path(__file__).with_name("cuda.c"), folder / "lib" / "libcuda.so.1")
    backend = shutil.copytree(real.backends / "python", folder / "backends" / "python")
    shutil.copy2(Path(__file__).with_name("simulated_gpu.py"), backend)
    with (backend / "triton_python_backend_utils.py").open("a") as utils:
        utils.write("\nimport simulated_gpu\n")
    return folder


def _compiled(source: Path, library: Path) -> Path:
    library.parent.mkdir(parents=True, exist_ok=True)
    compiler = program("cc", "gcc", "libc6-dev")
    subprocess.run([compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source], check=True)
    return library
