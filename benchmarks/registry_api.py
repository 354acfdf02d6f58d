"""The same questions asked of a real `seatrial-manager` over HTTP, and how much memory it takes."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.registry_documents import Draft, check_report, draft, each_model_once, model_name
from benchmarks.timing import Timing, timed
from seatrial.storage.listings import tree_digest

START_S = 60.0


def measure_manager(
    home: Path, models: int, versions: int, repetitions: int, chance: random.Random
) -> tuple[dict[str, Timing], float]:
    """Timings by name, and the most memory that the manager's process ever had, in MB."""
    names = [model_name(chance.randrange(models)) for _ in range(repetitions)]
    each_once = each_model_once(models, repetitions, chance)
    uploads = [_upload(home / "uploads" / f"{os.getpid()}-{name}", name, chance) for name in each_once]
    with _manager(home) as (process, http):

        def get(path: str) -> Any:
            return http.get(path).raise_for_status().json()

        def post(path: str, body: Any) -> Any:
            return http.post(path, json=body).raise_for_status().json()

        def lookup(name: str) -> Any:
            return get(f"/models/{name}/stages/Production")

        ids = [lookup(name)["model_id"] for name in names[:100]]
        found = {
            "lookup": timed(lookup, [(name,) for name in names]),
            "model": timed(get, [(f"/models/{name}",) for name in names]),
            "evidence": timed(
                get, [(f"/versions/{model_id}/evidence",) for model_id in ids * (repetitions // 100 or 1)]
            ),
            "list_page": timed(get, [("/models?limit=50",)] * 40),
            "discovery": timed(get, [("/discovery",)] * 20),
            "register": timed(post, [(f"/models/{name}/versions", body) for name, body in uploads]),
            "stage_move": timed(
                post,
                [
                    (f"/models/{name}/stage-moves", {"version": versions, "to": to, "who": "bench"})
                    for name in each_once
                    for to in ("Archived", "Production")
                ],
            ),
        }
        return found, _peak_mb(process.pid)


def _upload(folder: Path, model: str, chance: random.Random) -> tuple[str, dict[str, Any]]:
    """A folder with a model file of its own, and the body that registers it."""
    data = chance.randbytes(1000)
    new: Draft = draft(model, chance, hashlib.sha256(data).hexdigest())
    content = {"model.onnx": data, "model.yaml": yaml.safe_dump(new.manifest).encode()}
    content |= dict.fromkeys(new.manifest["samples"], b"a sample")
    for path, part in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(part)
    files = {path: hashlib.sha256(part).hexdigest() for path, part in content.items()}
    report = check_report(replace(new, tree_digest=tree_digest(files)), chance, **files)
    return model, {"upload": str(folder), "report": report.model_dump(mode="json"), "run": "bench"}


@contextmanager
def _manager(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    log = home / "manager.log"
    (home / "manager.url").unlink(missing_ok=True)
    environment = {**os.environ, "SEATRIAL_HOME": str(home)}
    command = [sys.executable, "-m", "seatrial.manager", "--insecure-local"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        with httpx.Client(base_url=f"{_address(home, process, log)}/v1", timeout=300) as http:
            yield process, http
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _address(home: Path, process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            address = (home / "manager.url").read_text()
            httpx.get(f"{address}/v1/health", timeout=5).raise_for_status()
        except (OSError, httpx.HTTPError):
            time.sleep(0.05)
            continue
        return address
    raise SystemExit(f"the manager did not start:\n{log.read_text()[-2000:]}")


def _peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"process {pid} has no VmHWM")
