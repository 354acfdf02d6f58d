"""A real Prometheus for tests: Debian's, with a configuration that it checks itself, asked over its HTTP API."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from seatrial.waiting import Deadline, wait_until
from tests.debian import unpacked
from tests.ports import free_port


class Prometheus:
    """One that runs at `url`."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v1", trust_env=False, timeout=30)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of the answer, each with `metric` (its labels) and `value`; fails on what is no PromQL."""
        answer = self._http.get("/query", params={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def value(self, expression: str) -> float | None:
        """Of an expression with one series; None while it has none."""
        found = self.query(expression)
        assert len(found) <= 1, f"{expression} has {len(found)} series"
        return float(found[0]["value"][1]) if found else None

    def wait_for(self, expression: str, value: float) -> None:
        wait_until(lambda: self.value(expression) == value, Deadline.after(60), f"{expression} is {value:g}")

    def close(self) -> None:
        self._http.close()


@contextmanager
def prometheus(folder: Path, configuration: str) -> Iterator[Prometheus]:
    """Runs on a port of its own until the block ends; `folder` holds its data and its log."""
    file, port = folder / "prometheus.yml", free_port()
    file.write_text(configuration)
    subprocess.run([_program("promtool"), "check", "config", file], check=True, capture_output=True)
    command = [_program("prometheus"), f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    found = Prometheus(f"http://127.0.0.1:{port}")
    try:
        wait_until(lambda: _ready(process, port, folder), Deadline.after(60), "Prometheus is ready")
        yield found
    finally:
        found.close()
        process.terminate()
        process.wait(30)


def _ready(process: subprocess.Popen[bytes], port: int, folder: Path) -> bool:
    assert process.poll() is None, (folder / "prometheus.log").read_text()
    try:
        return httpx.get(f"http://127.0.0.1:{port}/-/ready", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _program(name: str) -> str:
    return shutil.which(name) or str(unpacked("prometheus") / "usr" / "bin" / name)
