"""The replica that the runtime's benchmark measures: a real tritonserver on a core of its own, asked over gRPC."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from seatrial.client.transport import EncodedRequest, GrpcTransport
from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving.local import LocalBackend
from seatrial.serving.server_log import LOG
from seatrial.serving.spec import Replica
from seatrial.waiting import Deadline, wait_until

_STAMP = re.compile(r"^[IWE]\d{4} (\d\d):(\d\d):(\d\d\.\d+) ")
_LOADED = re.compile(r"seatrial runtime \w+, loaded in ([\d.]+) s")
_MARKS = (
    "TRITONBACKEND_ModelInstanceInitialize:",
    "seatrial runtime",
    '"successfully loaded',
    "Started Metrics Service",
)


@dataclass(frozen=True)
class Counters:
    """Since the load: requests, their nanoseconds in the server (each one's own), nanoseconds and number of the
    backend's executions."""

    requests: int
    server_ns: int
    execution_ns: int
    executions: int


@dataclass(frozen=True)
class Server:
    """A ready replica, with its folder's log as it was then."""

    replica: Replica
    served: ServedModel
    log: str
    transport: GrpcTransport

    def send(self, request: EncodedRequest) -> None:
        assert self.replica.grpc_address is not None
        self.transport.send(self.replica.grpc_address, request, 60.0)

    def send_together(self, pool: ThreadPoolExecutor, request: EncodedRequest, times: int) -> None:
        """Send it `times` times side by side; returns when all are answered."""
        list(pool.map(self.send, [request] * times))

    def counters(self) -> Counters:
        url = f"http://{self.replica.http_address}/v2/models/{self.served.name}/stats"
        (stats,) = httpx.get(url, trust_env=False).json()["model_stats"]
        success = stats["inference_stats"]["success"]
        inside = sum(entry["compute_infer"]["ns"] for entry in stats["batch_stats"])
        return Counters(success["count"], success["ns"], inside, stats["execution_count"])

    def counters_after(self, before: Counters, requests: int) -> Counters:
        """What `requests` requests added: Triton counts one only after its answer has gone out."""
        deadline = Deadline.after(30)
        wanted = before.requests + requests

        def counted() -> Counters | None:
            found = self.counters()
            return found if found.requests >= wanted else None

        now = wait_until(counted, deadline, "the requests are counted")
        return Counters(*(after - earlier for after, earlier in zip(astuple(now), astuple(before), strict=True)))

    def processes(self) -> list[psutil.Process]:
        server = psutil.Process(self.replica.pid)
        return [server, *server.children(recursive=True)]

    def cpu_ns(self) -> int:
        """CPU time of all its threads so far, as the scheduler counts it."""
        tasks = (task for p in self.processes() for task in Path(f"/proc/{p.pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def memory_mb(processes: list[psutil.Process]) -> dict[str, float]:
    """PSS counts a page that processes share once in all, RSS once in each."""
    full = [process.memory_full_info() for process in processes]
    return {
        "pss_mb": round(sum(info.pss for info in full) / 1e6, 1),
        "rss_mb": round(sum(info.rss for info in full) / 1e6, 1),
    }


def start_parts(log: str, whole_s: float) -> dict[str, float]:
    """Where the seconds from a replica's launch to its first answer went, by the time stamps of its log (pure).

    `python` is Triton's python process until it calls our model.py, `runtime` the import of the runtime and the load of
    the network, `rest` what is outside of these: the program before its first line, and our asking whether it is ready.
    """
    lines = [line for line in log.splitlines() if _STAMP.match(line)]
    first, python, loaded, ready, serving = (_seconds(line) for line in (lines[0], *(_line(lines, m) for m in _MARKS)))
    found = _LOADED.search(log)
    assert found is not None
    runtime_s = float(found[1])
    parts = {
        "triton": python - first,
        "python": loaded - python - runtime_s,
        "runtime": runtime_s,
        "warm_up": ready - loaded,
        "ports": serving - ready,
    }
    return {name: round(value, 3) for name, value in {**parts, "rest": whole_s - sum(parts.values())}.items()}


@contextmanager
def serving(
    backend: LocalBackend, home: Path, upload: Path, served: ServedModel, option: Mapping[str, Any], warmup: bytes
) -> Iterator[Server]:
    """A replica for the time of the block."""

    def copy(files: Mapping[str, str], folder: Path) -> None:
        for path in files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(upload / path, folder / path)

    chosen = HardwareOption.model_validate({"name": "cpu-1x1", **option})
    replica_id = backend.start_replica(served, chosen, "a benchmark", copy, lease_s=3600, warmup=warmup)
    try:
        replica = wait_until(lambda: _ready(backend.observe(replica_id)), Deadline.after(120), "the server is ready")
        log = (home / "servers" / replica_id / LOG).read_text()
        with GrpcTransport() as transport:
            yield Server(replica, served, log, transport)
    finally:
        backend.stop(replica_id)


def _ready(replica: Replica) -> Replica | None:
    if replica.state == "failed":
        raise SystemExit(f"the server failed: {replica.error}")
    return replica if replica.state == "ready" else None


def _line(lines: list[str], text: str) -> str:
    return next(line for line in lines if text in line)


def _seconds(line: str) -> float:
    found = _STAMP.match(line)
    assert found is not None, line
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
