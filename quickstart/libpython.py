"""Triton's python backend is linked to libpython, which Debian packages apart from Python: fetch it if it is missing.

python -m quickstart.libpython FOLDER puts it into FOLDER, which may be inside a virtual environment: no root is needed
and nothing of the system is changed. It does nothing where Python brings its libpython.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from seatrial.serving.tritonserver import LIBPYTHON, find_libpython

PACKAGE = f"libpython{sys.version_info.major}.{sys.version_info.minor}"


def main() -> None:
    if find_libpython() is not None:
        return
    target = Path(sys.argv[1]).resolve()
    if shutil.which("apt-get") is None or not _from_debian(target):
        sys.exit(
            f"Triton needs {LIBPYTHON}, which this Python ({sys.base_prefix}) does not bring:"
            f" install it (Debian: apt-get install {PACKAGE}; Fedora: dnf install python3-libs)"
        )
    print(f"{LIBPYTHON} from the package {PACKAGE}, in {target}")


def _from_debian(target: Path) -> bool:
    if not _has_lists() and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=False, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)  # root's apt-get downloads as a user of its own
        if subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=folder, check=False).returncode != 0:
            return False
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "files")], check=True)
        found = next(folder.glob(f"files/usr/lib/*/{LIBPYTHON}"), None)
        if found is not None:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, target / LIBPYTHON)
        return found is not None


def _has_lists() -> bool:
    return any(Path("/var/lib/apt/lists").glob("*_Packages*"))


if __name__ == "__main__":
    main()
