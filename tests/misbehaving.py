"""Models that misbehave in a real tritonserver: `tests/standins/misbehaving` in the Python that runs them."""

from __future__ import annotations

import os
import sysconfig
import venv
from dataclasses import replace
from pathlib import Path

from seatrial.serving.tritonserver import LIBPYTHON, TritonInstallation, find_libpython

STANDIN = Path(__file__).parent / "standins" / "misbehaving" / "onnxruntime"


def misbehaving_python(folder: Path) -> Path:
    """A Python for which `import onnxruntime` finds the stand-in, and the real one behind it.

    Triton's stub ignores PYTHONPATH and takes the packages of the first Python in its PATH. A manager that is run by
    this one starts such servers.
    """
    libpython = find_libpython()
    venv.create(folder, symlinks=True)
    packages = next((folder / "lib").glob("python3*")) / "site-packages"
    (packages / "onnxruntime").symlink_to(STANDIN)
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    if libpython is not None:
        (folder / "lib" / LIBPYTHON).symlink_to(libpython)
    return folder / "bin" / "python"


def misbehaving_installation(folder: Path) -> TritonInstallation:
    """The server of this environment, with that Python."""
    python = misbehaving_python(folder / "venv")
    found = TritonInstallation.find(None, folder / "triton")
    path = os.pathsep.join([str(python.parent), found.environment["PATH"]])
    return replace(found, environment={**found.environment, "PATH": path})
