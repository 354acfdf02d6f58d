"""What the capacity search is tried on: two networks, and networks that take a known time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.curves.server import Curve, serving_curve
from benchmarks.runtime_bare import window
from benchmarks.runtime_server import serving
from seatrial.formats.check import check_upload
from seatrial.profiling.cell import Objective
from seatrial.serving.local import LocalBackend
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.serving.warmup import pack as warmup
from seatrial.settings import TreeLimits
from seatrial.tensors import Array
from seatrial.uploads.pack import Packing, pack
from tests.networks.networks import NETWORKS

TRUTH_S = 45.0


@dataclass(frozen=True)
class Subject:
    """A running server: one instance of `model`, version 1, that answers `request`. `batches`: the first dimension of
    its inputs is Triton's own, and not in their shapes."""

    model: str
    address: str
    pid: int
    request: Mapping[str, Array]
    core: int
    max_batch: int = 1
    batches: bool = False


@dataclass(frozen=True)
class Place:
    """What subjects are served with."""

    home: Path
    networks: Path
    installation: TritonInstallation
    core: int


@dataclass(frozen=True)
class Kind:
    """`truth_s`: how long a level lasts, at least, that tells the truth of it."""

    objective: Objective
    serving: Callable[[Place], AbstractContextManager[Subject]]
    truth_s: float = TRUTH_S


def _kind(
    latency_ms: float, served: Callable[[Place], AbstractContextManager[Subject]], truth_s: float = TRUTH_S
) -> Kind:
    return Kind(Objective(percentile=99, latency_ms=latency_ms), served, truth_s)


def _curve(name: str, curve: Curve) -> Callable[[Place], AbstractContextManager[Subject]]:
    @contextmanager
    def served(place: Place) -> Iterator[Subject]:
        with serving_curve(place.installation, place.home / name, name, curve, place.core) as server:
            request = {"x": np.zeros((1, 1), np.float32)}
            yield Subject(name, server.grpc_address, server.pid, request, place.core, curve.max_batch, batches=True)

    return served


def _network(
    name: str, request: Callable[[], Mapping[str, Array]]
) -> Callable[[Place], AbstractContextManager[Subject]]:
    @contextmanager
    def served(place: Place) -> Iterator[Subject]:
        (file,) = sorted(place.networks.glob(NETWORKS[name].file))
        entries = {"user": "benchmark", "objective": {"latency_ms": NETWORKS[name].latency_ms}}
        packing = Packing(file, lambda _: [("one", request())], entries, TreeLimits(), name)
        upload = place.home / name / "upload"
        packed = pack(packing, upload, check=False)
        known = check_upload(upload).served
        backend = LocalBackend(place.home / name / "servers", place.installation)
        backend.adopt()
        try:
            first = warmup([request()], known.signature.inputs)
            with serving(backend, place.home / name, upload, known, {"name": "cpu-1x1"}, first) as server:
                assert server.replica.grpc_address is not None
                assert server.replica.pid is not None
                (core,) = server.replica.core_set
                yield Subject(packed.name, server.replica.grpc_address, server.replica.pid, request(), core)
        finally:
            backend.close(stop_servers=True)

    return served


SUBJECTS: dict[str, Kind] = {
    "pitch": _kind(150, _network("pitch-onnx", lambda: {"serving_default_input_2:0": window(1)})),
    "text-recognition": _kind(400, _network("text-recognition", lambda: NETWORKS["text-recognition"].requests()[0])),
    "constant": _kind(60, _curve("constant", Curve(8_000))),
    "batching": _kind(80, _curve("batching", Curve(10_000, row_us=1_000, max_batch=8))),
    "two-mode": _kind(150, _curve("two-mode", Curve(4_000, slow_us=36_000, slow_every=20)), truth_s=180),
    "hiccup": _kind(200, _curve("hiccup", Curve(5_000, slow_us=100_000, slow_every=200, chance=0))),
}
