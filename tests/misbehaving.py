"""A tritonserver whose models can misbehave: the real one, with `tests/standins/misbehaving` in its Python."""

from __future__ import annotations

import os
import sysconfig
import venv
from dataclasses import replace
from pathlib import Path

from seatrial.serving.tritonserver import TritonInstallation

STANDIN = Path(__file__).parent / "standins" / "misbehaving" / "onnxruntime"


def misbehaving_installation(folder: Path) -> TritonInstallation:
    """The server of this environment, for which `import onnxruntime` finds the stand-in, and the real one behind it.

    Triton's stub ignores PYTHONPATH and takes the packages of the first Python in its PATH: so it gets one of its own.
    """
    venv.create(folder / "venv", symlinks=True)
    packages = next((folder / "venv" / "lib").glob("python3*")) / "site-packages"
    (packages / "onnxruntime").symlink_to(STANDIN)
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    found = TritonInstallation.find(None, folder / "triton")
    path = os.pathsep.join([str(folder / "venv" / "bin"), found.environment["PATH"]])
    return replace(found, environment={**found.environment, "PATH": path})
