"""What is wanted, on disk: one file a deployment, so that any manager can go on where another one stopped."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from seatrial.errors import Refused, SeatrialError, TryAgain
from seatrial.serving.spec import DeploymentSpec, Replica
from seatrial.storage.local import atomic_write

_ENVIRONMENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class Wanted(BaseModel):
    """A deployment that is wanted, or, when `dropped`, one that is to go once its servers have drained.

    `kept_warm_until_ms` is set while it serves nobody and stays for a rollback, in milliseconds since 1970.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: DeploymentSpec
    wanted_at_ms: int
    kept_warm_until_ms: int | None = None
    dropped: bool = False
    drain_s: float = 0.0


class Setback(BaseModel):
    """The last failure of a deployment's replicas, the `count`-th in a row. Kept as well, so that neither the growing
    pauses nor the reason are lost when another manager goes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    at_ms: int
    replica: Replica


def key_of(model_id: int, environment: str) -> str:
    """The name of a deployment. Raises Refused for an environment that cannot be part of a file's name."""
    if not _ENVIRONMENT.fullmatch(environment):
        raise Refused(f"environment {environment[:80]!r} is not a name (limit: {_ENVIRONMENT.pattern})")
    return f"{model_id}-{environment}"


class WantedStore:
    """`<folder>/<key>.json`, with the warm-up sample beside it as .npz and a setback as .setback. Each write is atomic,
    and raises SeatrialError when there is no space or right to it; what was kept stays then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> dict[str, Wanted]:
        """All deployments that are kept. Raises SeatrialError naming a file that cannot be understood."""
        return {path.stem: _read(path) for path in sorted(self._folder.glob("*.json"))}

    def put(self, key: str, wanted: Wanted) -> None:
        """Keep it, in the place of what was kept under its key."""
        self._write(f"{key}.json", wanted.model_dump_json(indent=1).encode())

    def remove(self, key: str) -> None:
        for suffix in ("json", "npz", "setback"):
            (self._folder / f"{key}.{suffix}").unlink(missing_ok=True)

    def put_setback(self, key: str, setback: Setback) -> None:
        self._write(f"{key}.setback", setback.model_dump_json(indent=1).encode())

    def setback(self, key: str) -> Setback | None:
        """The last failure; None without one, and for one that cannot be understood: then the row begins anew."""
        try:
            return Setback.model_validate_json((self._folder / f"{key}.setback").read_bytes())
        except (OSError, ValidationError):
            return None

    def forget_setback(self, key: str) -> None:
        (self._folder / f"{key}.setback").unlink(missing_ok=True)

    def put_warmup(self, key: str, warmup: bytes) -> None:
        self._write(f"{key}.npz", warmup)

    def _write(self, name: str, data: bytes) -> None:
        try:
            atomic_write(self._folder / name, data)
        except OSError as error:
            raise TryAgain(f"{self._folder / name} could not be written: {error}") from error

    def warmup(self, key: str) -> bytes | None:
        try:
            return (self._folder / f"{key}.npz").read_bytes()
        except FileNotFoundError:
            return None


def _read(path: Path) -> Wanted:
    try:
        return Wanted.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise SeatrialError(f"{path} cannot be understood as a deployment: {error}") from error
