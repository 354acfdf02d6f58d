"""Captured live requests: a fair sample of the last day for each model, one file each, in a storage."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache

from seatrial.errors import NotFound, Overloaded, Refused
from seatrial.storage.port import Storage
from seatrial.tensors import from_npz

WRITERS = 4
_NAME = re.compile(r"^(?P<at_ms>\d{13})-(?P<serial>\d{6})-v(?P<version>\d+)\.npz$")


@dataclass(frozen=True)
class CaptureLimits:
    """Captures can hold personal data: few are kept, for a day. Those by which a version was found to answer otherwise
    are kept aside, the newest of them, for a month."""

    per_model: int = 2000
    bytes_per_model: int = 512 * 2**20
    bytes_each: int = 64 * 2**20
    keep_s: float = 24 * 3600.0
    aside_per_model: int = 100
    aside_s: float = 30 * 24 * 3600.0


@dataclass(frozen=True)
class Capture:
    id: str
    at_ms: int
    version: int
    bytes: int

    @property
    def name(self) -> str:
        return f"{self.id}.npz"

    @property
    def priority(self) -> float:
        """Uniform in [0, 1), the same whoever asks: of all that were ever offered the lowest are kept."""
        return _priority(self.id)


class CaptureStore:
    """Captures below `<model>` of a storage, and those kept aside below `<model>/aside`.

    At a limit the one with the highest priority goes, or is not written at all: whenever in the last day a request
    came, it was as likely to be kept. The oldest out first would leave only what came last. (Koen and Duffield's
    priority sampling, all of one weight.) Several managers may use one storage: each keeps to the limits for itself.
    """

    def __init__(self, storage: Storage, limits: CaptureLimits | None = None) -> None:
        self._limits = limits = limits or CaptureLimits()
        self._lock = threading.Lock()
        self._serial = 0
        self._writers = threading.BoundedSemaphore(WRITERS)
        self._sampled = _Shelf(storage, "", limits.per_model, limits.bytes_per_model, limits.keep_s, _by_priority)
        self._aside = _Shelf(storage, "aside/", limits.aside_per_model, limits.bytes_per_model, limits.aside_s, _by_age)

    def add(self, model: str, version: int, data: bytes, without: Collection[str] = ()) -> str | None:
        """Keep one request's tensors, given as .npz bytes; its id, or None where it is one too many. Refused when too
        large, not plain tensors, or with a layer of `without`, which no service should have sent; Overloaded while the
        storage is slower than captures come."""
        if len(data) > self._limits.bytes_each:
            raise Refused(f"capture of {len(data)} bytes (limit: {self._limits.bytes_each})", field="body")
        if private := sorted(set(without) & set(from_npz(data))):
            raise Refused(f"holds {', '.join(private)} (limit: none of capture.without)", field="body")
        with self._lock:
            self._serial, now_ms = (self._serial + 1) % 1_000_000, _now_ms()
            new = Capture(f"{now_ms:013d}-{self._serial:06d}-v{version}", now_ms, version, len(data))
        if not self._writers.acquire(blocking=False):  # HDFS in trouble must not hold the threads that answer others
            raise Overloaded(f"{WRITERS} captured requests are being written already", limit=WRITERS)
        try:
            return new.id if self._sampled.add(model, new, data) else None
        finally:
            self._writers.release()

    def newest(self, model: str, limit: int) -> list[Capture]:
        """The newest captures, newest first."""
        return self._sampled.newest(model)[:limit]

    def read(self, model: str, capture_id: str) -> bytes:
        """Its .npz bytes. Raises NotFound, for one that has expired too."""
        for shelf in (self._sampled, self._aside):
            try:
                return shelf.read(model, capture_id)
            except NotFound:
                continue
        raise NotFound(f"no capture {capture_id!r} of {model!r}: it may have expired")

    def keep_aside(self, model: str, capture_id: str) -> None:
        """Keep it a month longer, whatever else is captured. A second call does nothing. Raises NotFound."""
        data = self.read(model, capture_id)
        self._aside.add(model, _capture(f"{capture_id}.npz", len(data)), data)

    def remove(self, model: str) -> int:
        """Remove all captures of a model; how many there were."""
        return self._aside.remove(model) + self._sampled.remove(model)


class _Shelf:
    """One folder a model, within limits; `goes` says which of its captures goes first when one must."""

    def __init__(
        self, storage: Storage, folder: str, most: int, most_bytes: int, keep_s: float, goes: Callable[[Capture], float]
    ) -> None:
        self._storage, self._folder = storage, folder
        self._most, self._most_bytes, self._keep_s, self._goes = most, most_bytes, keep_s, goes
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, Capture]] = {}  # by model and id

    def add(self, model: str, new: Capture, data: bytes) -> bool:
        """Whether it has its place. What must go for it goes first: a killed manager leaves too few, never too many."""
        with self._lock:
            kept = self._of(model)
            if new.id in kept:
                return True
            gone = self._over(kept, new)
            for capture in gone:
                kept.pop(capture.id, None)
            if new not in gone:
                kept[new.id] = new
        for capture in gone:
            self._storage.remove(self._path(model, capture))
        if new in gone:
            return False
        try:
            self._storage.write(self._path(model, new), io.BytesIO(data), hashlib.sha256(data).hexdigest())
        except BaseException:
            with self._lock:
                kept.pop(new.id, None)
            raise
        return True

    def newest(self, model: str) -> list[Capture]:
        with self._lock:
            kept = self._of(model)
            gone = self._over(kept, None)
            for capture in gone:
                kept.pop(capture.id)
            found = sorted(kept.values(), key=lambda capture: capture.id, reverse=True)
        for capture in gone:
            self._storage.remove(self._path(model, capture))
        return found

    def read(self, model: str, capture_id: str) -> bytes:
        capture = _capture(f"{capture_id}.npz", 0)
        with self._storage.open(self._path(model, capture)) as file:
            return file.read()

    def remove(self, model: str) -> int:
        with self._lock:
            kept = self._of(model)
            self._kept[model] = {}
        self._storage.remove_folder(f"{model}/{self._folder}".rstrip("/"))
        return len(kept)

    def _path(self, model: str, capture: Capture) -> str:
        return f"{model}/{self._folder}{capture.name}"

    def _of(self, model: str) -> dict[str, Capture]:
        """What is kept of a model: looked up once, then known."""
        if model not in self._kept:
            found = self._storage.entries(f"{model}/{self._folder}".rstrip("/"))
            captures = [_capture(entry.name, entry.bytes) for entry in found if _NAME.match(entry.name)]
            self._kept[model] = {capture.id: capture for capture in captures}
        return self._kept[model]

    def _over(self, kept: dict[str, Capture], new: Capture | None) -> list[Capture]:
        """What has expired, or is beyond the limits, `new` included."""
        since_ms = _now_ms() - self._keep_s * 1000
        candidates = [*kept.values(), *([new] if new else [])]
        gone = [capture for capture in candidates if capture.at_ms < since_ms]
        left = [capture for capture in candidates if capture.at_ms >= since_ms]
        left_bytes = sum(capture.bytes for capture in left)
        if len(left) > self._most or left_bytes > self._most_bytes:
            left.sort(key=self._goes)
        while left and (len(left) > self._most or left_bytes > self._most_bytes):
            gone.append(left.pop())
            left_bytes -= gone[-1].bytes
        return gone


@lru_cache(maxsize=2**16)
def _priority(capture_id: str) -> float:
    return int.from_bytes(hashlib.blake2b(capture_id.encode(), digest_size=8).digest()) / 2**64


def _by_priority(capture: Capture) -> float:
    return capture.priority


def _by_age(capture: Capture) -> float:
    return -capture.at_ms


def _capture(name: str, size: int) -> Capture:
    """Raises NotFound for what is no name of a capture."""
    match = _NAME.match(name)
    if match is None:
        raise NotFound(f"no capture {name.removesuffix('.npz')!r}")
    return Capture(name.removesuffix(".npz"), int(match["at_ms"]), int(match["version"]), size)


def _now_ms() -> int:
    return int(time.time() * 1000)
