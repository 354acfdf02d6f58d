"""Captured live requests: bounded in number and bytes for each model, expiring, one file each."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import NotFound, Refused
from seatrial.storage.local import atomic_write
from seatrial.tensors import from_npz

_NAME = re.compile(r"^(?P<at_ms>\d{13})-(?P<serial>\d{6})-v(?P<version>\d+)\.npz$")


@dataclass(frozen=True)
class CaptureLimits:
    """Captures can hold personal data: few are kept, for a day."""

    per_model: int = 2000
    bytes_per_model: int = 512 * 2**20
    bytes_each: int = 64 * 2**20
    keep_s: float = 24 * 3600.0


@dataclass(frozen=True)
class Capture:
    id: str
    at_ms: int
    version: int
    bytes: int


class CaptureStore:
    """Captures below one folder. The oldest go first when a limit is reached."""

    def __init__(self, folder: Path, limits: CaptureLimits | None = None) -> None:
        self._folder = folder
        self._limits = limits or CaptureLimits()
        self._lock = threading.Lock()
        self._serial = 0

    def add(self, model: str, version: int, data: bytes) -> str:
        """Keep one request's tensors, given as .npz bytes. Refused when too large or not plain tensors."""
        if len(data) > self._limits.bytes_each:
            raise Refused(f"capture of {len(data)} bytes (limit: {self._limits.bytes_each})", field="body")
        from_npz(data)
        with self._lock:
            self._serial = (self._serial + 1) % 1_000_000
            name = f"{int(time.time() * 1000):013d}-{self._serial:06d}-v{version}.npz"
            folder = self._folder / model
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            atomic_write(folder / name, data)
            self._prune(model)
        return name.removesuffix(".npz")

    def newest(self, model: str, limit: int) -> list[Capture]:
        """The newest captures, newest first."""
        return self._all(model)[::-1][:limit]

    def read(self, model: str, capture_id: str) -> bytes:
        name = f"{capture_id}.npz"
        if not _NAME.match(name):
            raise NotFound(f"no capture {capture_id!r} of {model!r}")
        try:
            return (self._folder / model / name).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"no capture {capture_id!r} of {model!r}: it may have expired") from error

    def _all(self, model: str) -> list[Capture]:
        found = []
        for path in sorted((self._folder / model).glob("*.npz")):
            match = _NAME.match(path.name)
            if match:
                size = path.stat().st_size
                found.append(Capture(path.stem, int(match["at_ms"]), int(match["version"]), size))
        return found

    def _prune(self, model: str) -> None:
        oldest_ms = (time.time() - self._limits.keep_s) * 1000
        kept_bytes = kept = 0
        for capture in self._all(model)[::-1]:
            kept, kept_bytes = kept + 1, kept_bytes + capture.bytes
            over = kept > self._limits.per_model or kept_bytes > self._limits.bytes_per_model
            if over or capture.at_ms < oldest_ms:
                (self._folder / model / f"{capture.id}.npz").unlink(missing_ok=True)
