"""Captured live requests: bounded in number and bytes for each model, expiring, one file each."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
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
    """Captures below one folder, which nobody else writes to. The oldest go first when a limit is reached."""

    def __init__(self, folder: Path, limits: CaptureLimits | None = None) -> None:
        self._folder = folder
        self._limits = limits or CaptureLimits()
        self._lock = threading.Lock()
        self._serial = 0
        self._kept: dict[str, deque[Capture]] = {}  # by model, oldest first

    def add(self, model: str, version: int, data: bytes) -> str:
        """Keep one request's tensors, given as .npz bytes. Refused when too large or not plain tensors."""
        if len(data) > self._limits.bytes_each:
            raise Refused(f"capture of {len(data)} bytes (limit: {self._limits.bytes_each})", field="body")
        from_npz(data)
        with self._lock:
            self._serial, now_ms = (self._serial + 1) % 1_000_000, _now_ms()
            new = Capture(f"{now_ms:013d}-{self._serial:06d}-v{version}", now_ms, version, len(data))
            folder, kept = self._folder / model, self._of(model)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            atomic_write(folder / f"{new.id}.npz", data)
            kept.append(new)
            self._prune(model, now_ms)
        return new.id

    def newest(self, model: str, limit: int) -> list[Capture]:
        """The newest captures, newest first."""
        with self._lock:
            self._prune(model, _now_ms())
            return list(islice(reversed(self._of(model)), limit))

    def read(self, model: str, capture_id: str) -> bytes:
        name = f"{capture_id}.npz"
        if not _NAME.match(name):
            raise NotFound(f"no capture {capture_id!r} of {model!r}")
        try:
            return (self._folder / model / name).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"no capture {capture_id!r} of {model!r}: it may have expired") from error

    def _of(self, model: str) -> deque[Capture]:
        """What is kept of a model: looked up once, then known."""
        if model not in self._kept:
            self._kept[model] = deque(sorted(self._found(model), key=lambda capture: capture.id))
        return self._kept[model]

    def _found(self, model: str) -> Iterator[Capture]:
        for path in (self._folder / model).glob("*.npz"):
            match = _NAME.match(path.name)
            if match:
                yield Capture(path.stem, int(match["at_ms"]), int(match["version"]), path.stat().st_size)

    def _prune(self, model: str, now_ms: int) -> None:
        kept, limits = self._of(model), self._limits
        kept_bytes = sum(capture.bytes for capture in kept)
        while kept and (
            len(kept) > limits.per_model
            or kept_bytes > limits.bytes_per_model
            or kept[0].at_ms < now_ms - limits.keep_s * 1000
        ):
            oldest = kept.popleft()
            kept_bytes -= oldest.bytes
            (self._folder / model / f"{oldest.id}.npz").unlink(missing_ok=True)


def _now_ms() -> int:
    return int(time.time() * 1000)
