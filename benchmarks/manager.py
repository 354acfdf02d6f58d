"""The manager with many clients waiting for news: `make bench-manager`, or `python -m benchmarks.manager --models 4`.

A real `seatrial-manager` with 50 deployments, each a real tritonserver with a model of four lines, and 1000 clients
that wait for news, as open connections of one other process. First nothing happens for 30 s; then versions are deployed
and moved to Production, one after another, and each move's seconds are counted until the last client has heard it.
Everything is on one machine: clients, servers and manager share its cores. Aims: every client within 1 s; the manager
idle within 0.1 core and never above 1; 300 MB. The last line is one JSON object; `ok` says that all aims are met.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.stopping import end_by_sigterm
from seatrial.client.manager_api import ManagerAPI
from seatrial.formats.check import check_upload
from seatrial.registry.mlmd_store import Registry
from seatrial.settings import Settings
from seatrial.storage.artifacts import ArtifactStore
from seatrial.storage.location import open_storage
from seatrial.waiting import Deadline, wait_until
from tests.managers import environ_of, managers
from tests.models import write_upload
from tests.storages import files_of

AIMS = {"told_s": 1.0, "idle_cores": 0.1, "busy_cores": 1.0, "memory_mb": 300.0}
OPTION = {"name": "cpu-1x1", "cores": 1, "threads": 1}
AT_ONCE = 4  # servers being started: more would only wait for one another
SETTLE_S = 2.0  # between deploying and moving, so that only the move is news


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=50, help="deployments")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--moves", type=int, default=5)
    parser.add_argument("--idle", type=float, default=30.0, metavar="SECONDS", help="more than a long poll takes")
    parser.add_argument("--port", type=int, default=8860)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as folder:
        home = Path(folder)
        ids = _fill(home, arguments.models)
        with managers(environ_of(home), port=arguments.port) as (api,):
            found = _measure(home, api, ids, arguments)
    found["missed"] = misses(found)
    for miss in found["missed"]:
        print(f"missed: {miss}")
    print(json.dumps({**found, "ok": not found["missed"]}))
    return 1 if found["missed"] else 0


def misses(found: dict[str, Any]) -> list[str]:
    """The aims that the figures miss, one line each (pure)."""
    return [f"{name}: {found[name]:g}, aim {aim:g}" for name, aim in AIMS.items() if found[name] > aim]


def _fill(home: Path, models: int) -> dict[str, tuple[int, int]]:
    """Two versions of each model, the first in Production. Their model ids."""
    settings = Settings.read(environ_of(home))
    registry = Registry(settings.registry)
    artifacts = ArtifactStore(open_storage(settings.artifacts, "SEATRIAL_ARTIFACTS"))
    reports = []
    for number in (1, 2):
        folder = write_upload(home / "uploads" / str(number), scale=float(number))
        reports.append(check_upload(folder))
        artifacts.put(files_of(folder), reports[-1].files)
    ids = {}
    for name in (f"model-{number:03d}" for number in range(models)):
        first, second = (
            registry.register(
                name,
                report.tree_digest,
                served=report.served.model_copy(update={"name": name}),
                manifest={**report.manifest.model_dump(mode="json"), "name": name},
            )[0]
            for report in reports
        )
        for stage in ("Staging", "Production"):
            registry.move_stage(name, first.version, stage, who="bench")
        ids[name] = (first.model_id, second.model_id)
    return ids


def _measure(
    home: Path, api: ManagerAPI, ids: dict[str, tuple[int, int]], arguments: argparse.Namespace
) -> dict[str, Any]:
    began = time.monotonic()
    firsts = [first for first, _ in ids.values()]
    for at in range(0, len(firsts), AT_ONCE):
        _deploy(api, *firsts[at : at + AT_ONCE])
    print(f"{len(ids)} deployments ready after {time.monotonic() - began:.0f} s", flush=True)
    manager = psutil.Process(api.health()["pid"])
    alone = _cores(manager, arguments.idle)
    print(f"no client: the manager takes {alone:.3f} cores", flush=True)
    with _clients(api, home, arguments.clients) as clients:
        assert _heard(clients) == {"known": arguments.clients}
        idle = _cores(manager, arguments.idle)
        print(f"{arguments.clients} clients waiting: {idle:.3f} cores, {_mb(manager):.0f} MB", flush=True)
        moves = [_move(api, manager, clients, name, pair) for name, pair in list(ids.items())[: arguments.moves]]
        return {
            "deployments": len(ids),
            "clients": arguments.clients,
            "told_s": max(move["told_s"] for move in moves),
            "idle_cores": round(idle, 4),
            "idle_cores_without_clients": round(alone, 4),
            "busy_cores": max(move["manager_cores"] for move in moves),
            "memory_mb": round(_peak_mb(manager), 1),
            "moves": moves,
        }


def _deploy(api: ManagerAPI, *model_ids: int) -> None:
    for model_id in model_ids:
        api.want_deployment(model_id, option=OPTION, replicas=1)
    for model_id in model_ids:
        wait_until(lambda i=model_id: api.deployment(i)["state"] == "ready", Deadline.after(300), "it is ready")


def _move(
    api: ManagerAPI, manager: psutil.Process, clients: subprocess.Popen[str], name: str, pair: tuple[int, int]
) -> dict[str, Any]:
    """Bring the second version of a model to Production, as a run does, and time the last move of it."""
    assert clients.stdin is not None
    _deploy(api, pair[1])
    api.move_stage(name, 2, "Staging", who="bench", run="", why="")
    clients.stdin.write(f"{name} 2\n")
    clients.stdin.flush()
    time.sleep(SETTLE_S)
    load = psutil.Process(clients.pid)
    before, at, load_before = _cpu_s(manager), time.monotonic(), _cpu_s(load)
    api.move_stage(name, 2, "Production", who="bench", run="", why="")
    answered_s = time.monotonic() - at
    heard = _heard(clients)
    waits = np.array(heard["moments"]) - at
    figures = {
        "told_s": round(float(waits[-1]), 3),
        "told_median_s": round(float(np.median(waits)), 3),
        "first_s": round(float(waits[0]), 3),
        "answered_s": round(answered_s, 3),
        "manager_cpu_s": round(_cpu_s(manager) - before, 3),
        "manager_cores": round((_cpu_s(manager) - before) / (time.monotonic() - at), 2),
        "clients_cpu_s": round(_cpu_s(load) - load_before, 3),
        "document_kb": round(heard["document_bytes"] / 1024, 1),
    }
    print(f"{name}@2 → Production: {figures}", flush=True)
    return figures


@contextmanager
def _clients(api: ManagerAPI, home: Path, clients: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.manager_clients", api.url, (home / "token").read_text(), str(clients)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _heard(clients: subprocess.Popen[str]) -> dict[str, Any]:
    assert clients.stdout is not None
    line = clients.stdout.readline()
    if not line:
        raise SystemExit("the clients ended")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _cores(process: psutil.Process, seconds: float) -> float:
    before, at = _cpu_s(process), time.monotonic()
    time.sleep(seconds)
    return (_cpu_s(process) - before) / (time.monotonic() - at)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 2**20)


def _peak_mb(process: psutil.Process) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    end_by_sigterm()
    sys.exit(main())
