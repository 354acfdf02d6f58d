"""What the python runtime costs: `make bench-runtime`, or `python -m benchmarks.runtime --calls 20`.

The basic-pitch network as ONNX and as SavedModel, in a real tritonserver with one core and one thread, against the
same runtime called directly in a process on the same core (benchmarks/runtime_bare.py). Calls alternate, so that both
sides meet the same machine. Three ratios to the bare call's p50, from the inside out:

    execution    the backend's execution in Triton's statistics: our model.py, its process and the way there and back
    server       the request's whole time in Triton: the same, with the queue and the copies in and out
    end to end   from the client's send to its answer, gRPC on loopback included

CPU times are compared too, the server's processes against the bare one, and the quickest tenth of the calls (p10): both
hold better where other work disturbs the clock.
The aim, at most 10 % at batch 1, is held against the widest of them, end to end: that is what a caller would pay. A
batch of 8 is one request of 8 rows; `joined` is 8 requests of one row at once, which Triton's dynamic batcher joins.
The last line is one JSON object; `ok` says that the aim is met for both formats, on a machine that did nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil

from benchmarks.runtime_bare import window
from benchmarks.runtime_server import Server, memory_mb, serving, start_parts
from benchmarks.stopping import end_by_sigterm
from quickstart.example_models import write_upload
from seatrial.client.transport import encode
from seatrial.formats.check import check_upload
from seatrial.served_model import ServedModel
from seatrial.serving.local import LocalBackend
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.serving.warmup import pack

AIM = 0.10
WARM = 3
JOINED = 8
DISTURBED = 1.1  # a bare call's p50 over its CPU time, from which on wall times say little
JOIN_WITHIN_US = 1_000_000  # never waited for: a batch that is full is run at once


@dataclass(frozen=True)
class Pair:
    """One call on each side, milliseconds. `bare_cpu_ms` is CPU time."""

    bare_ms: float
    bare_cpu_ms: float
    execution_ms: float
    server_ms: float
    end_to_end_ms: float


@dataclass(frozen=True)
class Load:
    """What a server is asked at once: `requests` requests with `rows` rows in all."""

    name: str
    rows: int
    requests: int
    ask: Callable[[], None]


class Bare:
    """A process that calls the runtime directly, on the cores of `server`, for the time of a block."""

    def __init__(self, served: ServedModel, upload: Path, server: Server) -> None:
        specs = (*served.signature.inputs, *served.signature.outputs)
        own = [served.layers.get(spec.name, spec.name) for spec in specs]
        cores = ",".join(map(str, server.replica.core_set))
        command = ["taskset", "-c", cores, sys.executable, "-m", "benchmarks.runtime_bare", served.format]
        self._process = subprocess.Popen(
            [*command, str(upload / served.main_file), *own], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.pid = self._process.pid
        self.load_s = float(self._read())

    def call(self, rows: int) -> tuple[float, float]:
        """Milliseconds of one call, and of its CPU time."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{rows}\n")
        self._process.stdin.flush()
        wall_ns, cpu_ns = self._read().split()
        return int(wall_ns) / 1e6, int(cpu_ns) / 1e6

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=Path, default=Path(".seatrial/examples"))
    parser.add_argument("--formats", nargs="+", default=["onnx", "savedmodel"])
    parser.add_argument("--calls", type=int, default=200, help="counted calls of one row; of 8 rows a quarter of them")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name, _backend(Path(name)) as backend:
        found = {kind: _measure(backend, Path(name), kind, arguments) for kind in arguments.formats}
    missed = misses(found)
    for miss in missed:
        print(f"missed: {miss}")
    print(json.dumps({**found, "missed": missed, "ok": not missed}))
    return 1 if missed else 0


def misses(found: dict[str, dict[str, Any]]) -> list[str]:
    """The aims that the figures miss, one line each (pure)."""
    lines = []
    for kind, figures in found.items():
        overhead = figures["batch_1"]["overhead"]["end_to_end"]
        if overhead > AIM:
            lines.append(f"{kind}: {overhead:.1%} over the bare session at batch 1, end to end, aim {AIM:.0%}")
        if figures["batch_1"]["disturbed"]:
            lines.append(f"{kind}: other work had the core, so the wall times at batch 1 say nothing")
    return lines


@contextmanager
def _backend(home: Path) -> Iterator[LocalBackend]:
    """A backend whose servers have the first core; this process keeps off it when there is another."""
    backend = LocalBackend(home / "servers", TritonInstallation.find(None, home / "triton"))
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(cores[1:]) or set(cores))
    backend.adopt()
    try:
        yield backend
    finally:
        backend.close(stop_servers=True)


def _measure(backend: LocalBackend, home: Path, kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    upload = write_upload(home / kind, arguments.examples, kind, "benchmark")
    served = check_upload(upload).served
    warmup = pack([{"audio": window(1)}], served.signature.inputs)
    many = max(3, arguments.calls // 4)
    print(f"{kind}")
    with serving(backend, home, upload, served, {}, warmup) as server, Bare(served, upload, server) as bare:
        plain = {
            f"batch_{rows}": _compare(server, bare, _one_request(server, rows), calls)
            for rows, calls in ((1, arguments.calls), (8, many))
        }
        memory = {"replica": memory_mb(server.processes()), "bare": memory_mb([psutil.Process(bare.pid)])}
        started_in_s = server.replica.started_in_s or 0.0
        parts = start_parts(server.log, started_in_s)
        load_s = bare.load_s
    joining = {"max_batch": JOINED, "max_queue_delay_us": JOIN_WITHIN_US}
    with (
        serving(backend, home, upload, served, joining, warmup) as server,
        Bare(served, upload, server) as bare,
        ThreadPoolExecutor(JOINED) as pool,
    ):
        joined = _compare(server, bare, _many_requests(server, pool), many)
    print(f"  start to ready {started_in_s:.2f} s: {parts}; import and load in the bare process {load_s:.2f} s")
    print(f"  memory of a replica {memory['replica']}, of the bare process {memory['bare']}")
    start = {"ready_s": started_in_s, **parts, "bare_load_s": round(load_s, 3)}
    return {**plain, f"joined_{JOINED}": joined, "start": start, "memory": memory}


def _one_request(server: Server, rows: int) -> Load:
    request = encode(server.served.name, server.served.version, {"audio": window(rows)})
    return Load(f"batch_{rows}", rows, 1, lambda: server.send(request))


def _many_requests(server: Server, pool: ThreadPoolExecutor) -> Load:
    request = encode(server.served.name, server.served.version, {"audio": window(1)})
    return Load(f"joined_{JOINED}", JOINED, JOINED, lambda: server.send_together(pool, request, JOINED))


def _compare(server: Server, bare: Bare, load: Load, calls: int) -> dict[str, Any]:
    first_ms = _timed_ms(load.ask)
    for _ in range(WARM):
        bare.call(load.rows)
        load.ask()
    pairs = [_pair(server, bare, load, bare_first=number % 2 == 0) for number in range(calls)]
    return _figures(load.name, pairs, _cpu_ms(server, bare, load, calls), first_ms)


def _pair(server: Server, bare: Bare, load: Load, *, bare_first: bool) -> Pair:
    alone = bare.call(load.rows) if bare_first else None
    before = server.counters()
    end_to_end_ms = _timed_ms(load.ask)
    added = server.counters_after(before, load.requests)
    assert added.executions == 1, f"{added.executions} executions for one batch: its requests were not joined"
    server_ms = added.server_ns / load.requests / 1e6
    return Pair(*(alone or bare.call(load.rows)), added.execution_ns / 1e6, server_ms, end_to_end_ms)


def _timed_ms(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def _cpu_ms(server: Server, bare: Bare, load: Load, calls: int) -> tuple[float, float]:
    """CPU milliseconds of a call: bare, and in all processes of the server less what it uses anyway. Without a look
    at the statistics, which the server would have to answer."""
    idle_ns, alone = _idle_cpu_ns_per_s(server), 0.0
    began, cpu_ns = time.monotonic(), server.cpu_ns()
    for _ in range(calls):
        load.ask()
        alone += bare.call(load.rows)[1]
    used_ns = server.cpu_ns() - cpu_ns - idle_ns * (time.monotonic() - began)
    return alone / calls, used_ns / calls / 1e6


def _idle_cpu_ns_per_s(server: Server, seconds: float = 1.0) -> float:
    began = server.cpu_ns()
    time.sleep(seconds)
    return (server.cpu_ns() - began) / seconds


def _figures(name: str, pairs: list[Pair], cpu_ms: tuple[float, float], first_ms: float) -> dict[str, Any]:
    table = np.array([astuple(pair) for pair in pairs])
    bare, bare_cpu, *ours = (float(value) for value in np.median(table, axis=0))
    places = ("execution", "server", "end_to_end")
    overhead = {place: round(value / bare - 1, 4) for place, value in zip(places, ours, strict=True)}
    low, high = _interval(table[:, 0], table[:, -1])
    quiet_bare, *_, quiet = (float(value) for value in np.percentile(table, 10, axis=0))
    overhead["end_to_end_p10"] = round(quiet / quiet_bare - 1, 4)
    overhead["cpu"] = round(cpu_ms[1] / cpu_ms[0] - 1, 4)
    print(
        f"  {name}: bare p50 {bare:.2f} ms; execution {overhead['execution']:+.1%}, server {overhead['server']:+.1%}, "
        f"end to end {overhead['end_to_end']:+.1%} [{low:+.1%}, {high:+.1%}], p10 {overhead['end_to_end_p10']:+.1%}; "
        f"CPU {overhead['cpu']:+.1%} ({cpu_ms[0]:.2f} → {cpu_ms[1]:.2f} ms); first {first_ms:.1f} ms",
        flush=True,
    )
    if bare > DISTURBED * bare_cpu:
        print(f"    other work had the core: a bare call took {bare:.1f} ms for {bare_cpu:.1f} ms of CPU", flush=True)
    return {
        "calls": len(pairs),
        "bare_ms": round(bare, 3),
        **{f"{place}_ms": round(value, 3) for place, value in zip(places, ours, strict=True)},
        "first_ms": round(first_ms, 3),
        "overhead": {**overhead, "end_to_end_90": [round(low, 4), round(high, 4)]},
        "disturbed": bare > DISTURBED * bare_cpu,
    }


def _interval(bare: Any, ours: Any, draws: int = 1000) -> tuple[float, float]:
    """90 % bootstrap interval of the overhead between two medians of pairs."""
    picks = np.random.default_rng(1).integers(0, len(bare), (draws, len(bare)))
    ratios = np.median(ours[picks], axis=1) / np.median(bare[picks], axis=1) - 1
    low, high = np.percentile(ratios, [5, 95])
    return float(low), float(high)


if __name__ == "__main__":
    end_by_sigterm()
    sys.exit(main())
