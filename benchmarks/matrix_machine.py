"""Measures the options of a real CPU matrix, each on a tritonserver of its own, and adds up the seconds."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.matrix_networks import Network
from benchmarks.runtime_server import serving
from seatrial.client.transport import encode
from seatrial.hardware import HardwareOption
from seatrial.profiling.bench import Bench
from seatrial.profiling.capacity import measure_capacity, survey_capacity, verify_capacity
from seatrial.profiling.cell import Capacity, Cell, Objective
from seatrial.served_model import ServedModel
from seatrial.serving.local import LocalBackend
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.serving.warmup import pack


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
                apart = everywhere - set(server.replica.core_set)
                os.sched_setaffinity(0, apart or everywhere)
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
        return _cell_of(option, served, of.objective, capacity, shared_cores=not apart)


def _everything(bench: Bench) -> Capacity:
    found = measure_capacity(bench)
    return verify_capacity(bench, found) if found.feasible else found


def _cell_of(
    option: HardwareOption, served: ServedModel, objective: Objective, capacity: Capacity, *, shared_cores: bool
) -> Cell:
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
        shared_cores=shared_cores,
        started_in_s=0.0,
        at_ms=0,
    )


@contextmanager
def machine_for(network: Callable[[Path], Network], until: float) -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as name:
        home = Path(name)
        backend = LocalBackend(home / "servers", TritonInstallation.find(None, home / "triton"))
        backend.adopt()
        try:
            yield Machine(backend, home, network(home / "upload"), until)
        finally:
            backend.close(stop_servers=True)
