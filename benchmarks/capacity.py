"""The capacity search on a real tritonserver: `make bench-capacity`, or `python -m benchmarks.capacity --searches 3`.

Each option of the machine: basic-pitch (ONNX, p99 ≤ 150 ms) is searched `--searches` times on one running server. Then
long Poisson levels at shares of the median answer show where the truth is: between the highest share below which every
level kept the objective and the lowest one that did not. The last line is one JSON object; `ok`: the answers of every
option lie within 10 % of each other, and the long level at 95 % of their median kept the objective.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.runtime_bare import window
from benchmarks.runtime_server import Server, serving
from quickstart.example_models import write_upload
from seatrial.client.transport import encode
from seatrial.formats.check import check_upload
from seatrial.profiling.bench import Bench
from seatrial.profiling.capacity import measure_capacity
from seatrial.profiling.cell import Objective
from seatrial.profiling.load import open_loop
from seatrial.profiling.options import machine_options
from seatrial.serving.local import LocalBackend
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.serving.warmup import pack

OBJECTIVE = Objective(percentile=99, latency_ms=150)
SHARES = (0.95, 1.05)
TRUTH_S = 60.0
SPREAD = 0.10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=Path, default=Path(".seatrial/examples"))
    parser.add_argument("--searches", type=int, default=5)
    options = {option.name: option for option in machine_options(os.cpu_count() or 1)}
    parser.add_argument("--options", nargs="+", choices=options, default=list(options))
    arguments = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name:
        home = Path(name)
        upload = write_upload(home / "onnx", arguments.examples, "onnx", "benchmark")
        served = check_upload(upload).served
        backend = LocalBackend(home / "servers", TritonInstallation.find(None, home / "triton"))
        backend.adopt()
        try:
            for option in (options[name] for name in arguments.options):
                warmup = pack([{"audio": window(1)}], served.signature.inputs)
                with serving(backend, home, upload, served, option.model_dump(), warmup) as server:
                    found[option.name] = _measure(server, arguments.searches)
        finally:
            backend.close(stop_servers=True)
    ok = all(figures["ok"] for figures in found.values())
    print(json.dumps({**found, "ok": ok}))
    return 0 if ok else 1


def _measure(server: Server, searches: int) -> dict[str, Any]:
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, everywhere - set(server.replica.core_set) or everywhere)
    try:
        answers = [_search(server, seed=100 * number) for number in range(searches)]
        median = statistics.median(answer["lambda_max"] for answer in answers)
        truth = {f"{share:g}": _late(server, share * median) for share in SHARES}
    finally:
        os.sched_setaffinity(0, everywhere)
    rates = [answer["lambda_max"] for answer in answers]
    spread = (max(rates) - min(rates)) / median
    allowed = 1 - OBJECTIVE.percentile / 100
    return {"answers": answers, "median": median, "spread": round(spread, 3), "late_at_share": truth,
            "ok": spread <= SPREAD and truth["0.95"] <= allowed}  # fmt: skip


def _search(server: Server, seed: int) -> dict[str, Any]:
    request = encode(server.served.name, server.served.version, {"audio": window(1)})
    assert server.replica.grpc_address is not None
    bench = Bench(
        server.replica.grpc_address,
        server.replica.pid,
        [request],
        1,
        OBJECTIVE,
        lambda line: print(f"    {line}"),
        seed,
    )
    found = measure_capacity(bench)
    print(
        f"  {found.lambda_max:.1f} requests/s ({found.method}) of {found.mu:.1f} in {found.seconds:.0f} s", flush=True
    )
    return {key: getattr(found, key) for key in ("lambda_max", "mu", "method", "seconds")}


def _late(server: Server, rate: float) -> float:
    """Share of requests later than the objective in a long level."""
    request = encode(server.served.name, server.served.version, {"audio": window(1)})
    assert server.replica.grpc_address is not None
    level = open_loop(server.replica.grpc_address, [request], rate=rate, seconds=TRUTH_S, seed=7, bound=1000)
    late = level.late_share(OBJECTIVE.latency_ms / 1000)
    print(f"  {rate:.1f} requests/s for {TRUTH_S:.0f} s: {late:.2%} late", flush=True)
    return round(late, 4)


if __name__ == "__main__":
    sys.exit(main())
