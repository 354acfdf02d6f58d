"""Puts a folder among the uploads so that nobody ever sees half of it."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from seatrial.errors import Conflict, Refused
from seatrial.storage.paths import path_flaw


def send(folder: Path, root: Path, name: str) -> Path:
    """Copy `folder` to `<root>/<name>`: into a hidden folder, the `_SUCCESS` marker last, then renamed.

    Raises Refused for a name that is no folder name, Conflict when that upload exists. On failure nothing is left.
    """
    if path_flaw(name) or "/" in name or name.startswith((".", "_")):
        raise Refused(f"{name!r} cannot name an upload", field="name", value=name)
    target, building = root / name, root / f".incoming-{secrets.token_hex(6)}"
    if target.exists():
        raise Conflict(f"{target} exists already: choose another name", upload=str(target))
    root.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(folder, building, symlinks=True)
        (building / "_SUCCESS").touch()
        return building.rename(target)
    except OSError as error:
        raise Refused(f"{folder} could not be copied: {error}", field="folder", value=str(folder)) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
