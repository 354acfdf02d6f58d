"""A real CPU matrix in stages and exhaustively: `make bench-matrix`.

Every option is measured on a real tritonserver of its own. In stages: survey, search, long levels, as Airflow's tasks
do. Exhaustively: a full search and a long level on every option. Regret: what the option that the stages chose costs a
request/s more than the cheapest, both by the exhaustive figures. Two networks: `dense`, two layers of weights that a
batch reads once, and basic-pitch.

What was measured is kept in `--keep` and not measured again, so that `--limit-s` seconds at a time are enough. The last
line is one JSON object; `ok`: 15 % of the exhaustive time, regret 3 %, for each network.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.matrix_stages import staged
from benchmarks.runtime_bare import window
from benchmarks.runtime_server import serving
from quickstart.example_models import write_upload
from seatrial.client.transport import encode
from seatrial.formats.check import check_upload
from seatrial.hardware import HardwareOption
from seatrial.profiling.bench import Bench
from seatrial.profiling.capacity import measure_capacity, survey_capacity, verify_capacity
from seatrial.profiling.cell import Capacity, Cell, Objective
from seatrial.profiling.matrix import MatrixEntry, expand, in_order
from seatrial.served_model import ServedModel
from seatrial.serving.local import LocalBackend
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.serving.warmup import pack
from seatrial.tensors import Signature, TensorSpec

AXES = {"cores": [1, 2], "threads": [1, 2], "instances": [1, 2], "max_batch": [1, 2, 8]}
OPTIONS = in_order(expand(MatrixEntry.model_validate({"matrix": "cpu", **AXES})))
WIDTH, HIDDEN = 2048, 4096
TIME, REGRET = 0.15, 0.03


@dataclass(frozen=True)
class Network:
    """An upload, what an Inference Server must know of it, one request, and the objective."""

    upload: Path
    served: ServedModel
    request: dict[str, Any]
    objective: Objective


class OutOfTime(Exception):
    """The limit of this call has passed; what was measured is kept."""


class Machine:
    """Measures one network; adds up the seconds, of starts too."""

    def __init__(self, backend: LocalBackend, home: Path, network: Network, until: float) -> None:
        self._backend, self._home, self._network, self._until = backend, home, network, until
        self.seconds = 0.0

    def survey(self, option: HardwareOption) -> Cell:
        return self._cell(option, survey_capacity)

    def measure(self, cell: Cell) -> Cell:
        return self._cell(cell.option, lambda bench: measure_capacity(bench, cell.capacity))

    def verify(self, cell: Cell) -> Cell:
        return self._cell(cell.option, lambda bench: verify_capacity(bench, cell.capacity))

    def exhaustive(self, option: HardwareOption) -> Cell:
        """Search and long level on one server."""
        return self._cell(option, _everything)

    def _cell(self, option: HardwareOption, measure: Callable[[Bench], Capacity]) -> Cell:
        if time.monotonic() > self._until:
            raise OutOfTime
        began, everywhere = time.monotonic(), os.sched_getaffinity(0)
        served, of = self._network.served, self._network
        warmup = pack([of.request], served.signature.inputs)
        print(f"  {option.name}", flush=True)
        try:
            with serving(self._backend, self._home, of.upload, served, option.model_dump(), warmup) as server:
                os.sched_setaffinity(0, everywhere - set(server.replica.core_set) or everywhere)
                assert server.replica.grpc_address is not None
                bench = Bench(
                    server.replica.grpc_address,
                    server.replica.pid,
                    [encode(served.name, served.version, of.request)],
                    option.instances,
                    of.objective,
                    lambda line: print(f"    {line}", flush=True),
                    seed=1,
                    max_batch=option.max_batch,
                )
                capacity = measure(bench)
        finally:
            os.sched_setaffinity(0, everywhere)
        self.seconds += time.monotonic() - began
        return _cell_of(option, served, of.objective, capacity)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=Path, default=Path(".seatrial/examples"))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--keep", type=Path, help="folder for what was measured; default: nothing is kept")
    parser.add_argument("--limit-s", type=float, default=3600.0, help="seconds, for all networks together")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are stopped on the way out
    until = time.monotonic() + arguments.limit_s
    found: dict[str, Any] = {}
    for name in arguments.networks:
        with _machine(partial(NETWORKS[name], arguments.examples), until) as machine, _folder(arguments.keep) as keep:
            try:
                found[name] = _compared(machine, keep / name)
            except OutOfTime:
                found[name] = {"ok": False, "unfinished": f"{len(list((keep / name).glob('cpu-*')))} options measured"}
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    ok = all(figures["ok"] for figures in found.values())
    print(json.dumps({**found, "ok": ok}))
    return 0 if ok else 1


def _compared(machine: Machine, keep: Path) -> dict[str, Any]:
    keep.mkdir(parents=True, exist_ok=True)
    stages = _once(keep / "staged.json", lambda: _staged(machine))
    cells = {option.name: _once(keep / f"{option.name}.json", partial(_alone, machine, option)) for option in OPTIONS}
    costs = {name: cell["cost"] for name, cell in cells.items() if cell["cost"] is not None}
    regret = costs[stages["chosen"]] / min(costs.values()) - 1
    exhaustive_s = sum(cell["seconds"] for cell in cells.values())
    share = stages["seconds"] / exhaustive_s
    return {
        "options": len(OPTIONS),
        **stages,
        "exhaustive_s": round(exhaustive_s, 1),
        "time_share": round(share, 3),
        "cheapest": min(costs, key=lambda name: costs[name]),
        "regret": round(regret, 4),
        "rates": {name: cell["lambda_max"] for name, cell in cells.items()},
        "ok": share <= TIME and regret <= REGRET,
    }


def _once(file: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    if not file.exists():
        file.write_text(json.dumps(measure()))
    return dict(json.loads(file.read_text()))


def _staged(machine: Machine) -> dict[str, Any]:
    before = machine.seconds
    found = staged(OPTIONS, machine.survey, machine.measure, machine.verify)
    counts = {"surveyed": found.surveyed, "measured": found.measured, "verified": found.verified}
    return {"chosen": found.cell.option.name, "seconds": round(machine.seconds - before, 1), **counts}


def _alone(machine: Machine, option: HardwareOption) -> dict[str, Any]:
    before, cell = machine.seconds, machine.exhaustive(option)
    return {
        "lambda_max": cell.capacity.lambda_max,
        "mu": cell.capacity.mu,
        "cost": cell.cost if cell.capacity.feasible else None,
        "seconds": round(machine.seconds - before, 1),
    }


def _everything(bench: Bench) -> Capacity:
    found = measure_capacity(bench)
    return verify_capacity(bench, found) if found.feasible else found


def _cell_of(option: HardwareOption, served: ServedModel, objective: Objective, capacity: Capacity) -> Cell:
    return Cell(
        key=option.name,
        model=served.name,
        version=served.version,
        model_id=1,
        tree_digest="",
        option=option,
        objective=objective,
        capacity=capacity,
        machine="",
        shared_cores=False,
        started_in_s=0.0,
        at_ms=0,
    )


@contextmanager
def _machine(network: Callable[[Path], Network], until: float) -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name:
        home = Path(name)
        backend = LocalBackend(home / "servers", TritonInstallation.find(None, home / "triton"))
        backend.adopt()
        try:
            yield Machine(backend, home, network(home / "upload"), until)
        finally:
            backend.close(stop_servers=True)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-kept-") as name:
        yield Path(name)


def _pitch(examples: Path, folder: Path) -> Network:
    upload = write_upload(folder, examples, "onnx", "benchmark")
    return Network(upload, check_upload(upload).served, {"audio": window(1)}, Objective(percentile=99, latency_ms=150))


def _dense(_examples: Path, folder: Path) -> Network:
    """y = x · A · B: 64 MB of weights, which one row needs as much as eight."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(1)
    shapes = {"a": (WIDTH, HIDDEN), "b": (HIDDEN, WIDTH)}
    weights = [numpy_helper.from_array(random.normal(0, 0.02, s).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [helper.make_node("MatMul", ["x", "a"], ["h"]), helper.make_node("MatMul", ["h", "b"], ["y"])]
    layers = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", WIDTH]) for name in "xy"]
    graph = helper.make_graph(nodes, "dense", layers[:1], layers[1:], weights)
    folder.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder / "m.onnx")
    served = ServedModel(
        name="dense",
        version=1,
        format="onnx",
        main_file="m.onnx",
        files={"m.onnx": hashlib.sha256((folder / "m.onnx").read_bytes()).hexdigest()},
        signature=Signature((TensorSpec("x", "FP32", (-1, WIDTH)),), (TensorSpec("y", "FP32", (-1, WIDTH)),)),
    )
    request = {"x": np.linspace(-1, 1, WIDTH, dtype=np.float32).reshape(1, WIDTH)}
    return Network(folder, served, request, Objective(percentile=99, latency_ms=100))


NETWORKS: dict[str, Callable[[Path, Path], Network]] = {"dense": _dense, "pitch": _pitch}

if __name__ == "__main__":
    sys.exit(main())
