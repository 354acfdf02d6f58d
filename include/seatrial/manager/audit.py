"""One line for every change that anyone asked for: who, what, in which run, from where, and what was answered."""

from __future__ import annotations

import json
import logging
import os
import time
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from fastapi import Request

from seatrial.manager.tokens import Token, keep_private

log = logging.getLogger("seatrial.audit")

RUN_HEADER = "Seatrial-Run"
FILE_BYTES, FILES = 16 * 2**20, 10


class _PrivateFile(RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return os.fdopen(handle, "a", encoding=self.encoding)


class Audit:
    """JSON lines in `path`, the newest FILES of FILE_BYTES each, readable by their owner only, and in the log."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        keep_private(*path.parent.glob(f"{path.name}*"))
        self._file = _PrivateFile(path, maxBytes=FILE_BYTES, backupCount=FILES, encoding="utf-8", delay=True)

    def write(self, request: Request, caller: Token | None, status: int) -> None:
        line = json.dumps(
            {
                "at_ms": int(time.time() * 1000),
                "who": caller.name if caller else None,
                "role": caller.role if caller else None,
                "address": request.client.host if request.client else None,
                "method": request.method,
                "path": request.url.path[:500],
                "run": request.headers.get(RUN_HEADER, "")[:250],
                "status": status,
            }
        )
        log.info("%s", line)
        self._file.emit(logging.LogRecord(log.name, logging.INFO, "", 0, line, None, None))

    def close(self) -> None:
        self._file.close()
