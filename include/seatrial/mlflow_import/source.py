"""An MLflow tracking directory, database or server, asked through MLflow's own client in a child process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from seatrial.errors import Refused, SeatrialError, TryAgain
from seatrial.mlflow_import import reader
from seatrial.mlflow_import.records import VersionRecord

LIST_S, DOWNLOAD_S = 600.0, 1800.0


class MlflowSource:
    """`address` is a directory, `sqlite:///file` or `http(s)://server`; `python` one that has MLflow (default: this).

    A context: the child lives as long. Nothing is written there. Raises Refused for an address with nothing behind it
    and for a Python without MLflow, TryAgain when a server does not answer.
    """

    def __init__(self, address: str, python: str | None = None) -> None:
        self.address = address
        self.mlflow = ""
        self._python = python or sys.executable
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the child
        command = [self._python, reader.__file__, _checked(address)]
        try:
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
            )
        except OSError as error:
            raise Refused(f"{self._python} cannot be started: {error.strerror}", field="python") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()
        self._log.close()

    def versions(self) -> list[VersionRecord]:
        """All versions of all registered models. `mlflow` is known afterwards: the client's version."""
        answer = self._ask({"list": True}, LIST_S)
        self.mlflow = str(answer["mlflow"])
        return [VersionRecord.model_validate(record) for record in answer["versions"]]

    def download(self, model: str, version: int, to: Path) -> Path:
        """The version's files, copied below `to`; returns their folder."""
        return Path(self._ask({"model": model, "version": version, "to": str(to)}, DOWNLOAD_S)["folder"])

    def _ask(self, wanted: dict[str, Any], seconds: float) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        late = threading.Timer(seconds, self._child.kill)
        late.start()
        try:
            self._child.stdin.write(json.dumps(wanted) + "\n")
            self._child.stdin.flush()
            answer: dict[str, Any] = json.loads(self._child.stdout.readline())
        except (OSError, ValueError):
            raise self._failed(seconds) from None
        finally:
            late.cancel()
        return answer

    def _failed(self, seconds: float) -> SeatrialError:
        status = self._child.wait()
        if status == reader.NO_MLFLOW:
            return Refused(
                f"{self._python} has no MLflow, whose own client is needed: pip install mlflow in an environment of"
                " its own, and say --python ENVIRONMENT/bin/python",
                field="python",
            )
        if status == -signal.SIGKILL:
            return TryAgain(f"MLflow at {self.address} did not answer within {seconds:.0f} s")
        self._log.seek(0)
        log = self._log.read().decode(errors="replace")
        last = (log.strip().splitlines() or ["it said nothing"])[-1][:400]
        away = self.address.startswith("http") and "Max retries exceeded" in log
        return (TryAgain if away else SeatrialError)(f"MLflow at {self.address}: {last}")


def _checked(address: str) -> str:
    """An address that MLflow would make anew, a missing file or folder, is refused: there is nothing to import."""
    scheme = urlsplit(address).scheme
    if scheme in ("http", "https"):
        return address
    if scheme == "sqlite":
        path = Path(address.removeprefix("sqlite:///"))
        if path.is_file():
            return address
        raise Refused(f"{path} is not there", field="source", value=address)
    if scheme in ("", "file"):
        folder = Path(urlsplit(address).path if scheme else address).absolute()
        if (folder / "models").is_dir():
            return folder.as_uri()
        raise Refused(f"{folder} is no MLflow tracking directory: it has no folder models/", field="source")
    raise Refused(f"{address}: a directory, sqlite:///file or http://server", field="source", value=address)
