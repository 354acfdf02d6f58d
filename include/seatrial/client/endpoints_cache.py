"""The last discovery document in a small file, for a process that starts while the manager is away."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

from seatrial.client.manager_api import is_document

log = logging.getLogger(__name__)


def read(path: Path) -> dict[str, Any] | None:
    """The document, or None where there is none that can be read."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return document if is_document(document) else None


def write(path: Path, document: dict[str, Any]) -> None:
    """Replace the file whole, readable by its owner only; a folder that cannot be written to is logged and borne."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(document, file)
        fresh.replace(path)
    except OSError as error:
        log.warning("discovery: the cache %s cannot be written: %s", path, error)
