"""MPS shares of a real GPU: what is given, what is held, and what a replica carries alone and beside its neighbours.

    python -m benchmarks.gpu_shares [--seconds 4]

Needs a GPU, the MPS daemon of its driver and onnxruntime-gpu in the manager's environment. For each share 1/k it starts
k replicas through the local backend, reads back what CUDA gives them, measures one alone, and again while the other
k − 1 are saturated: "guaranteed" is what a replica carries whatever its neighbours do. The network is a chain of
matrix products that are made on the GPU, so that the figure is the GPU's and not the connection's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.stopping import end_by_sigterm
from seatrial.client.transport import EncodedRequest, encode
from seatrial.hardware import HardwareOption
from seatrial.nvml import Gpu, Gpus, find_gpus, nvml, read_gpu
from seatrial.profiling.bench import Bench
from seatrial.profiling.capacity import measure_capacity
from seatrial.profiling.cell import Objective
from seatrial.profiling.gpu_gauges import watch_gpu
from seatrial.profiling.load import closed_loop
from seatrial.served_model import ServedModel
from seatrial.serving.cuda_view import cuda_view
from seatrial.serving.local import LocalBackend
from seatrial.serving.mps_daemons import MpsDaemons
from seatrial.serving.placement import GpuPlacement
from seatrial.serving.spec import Replica
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.tensors import Signature, TensorSpec
from seatrial.waiting import Deadline, wait_until

WIDTH, ROWS, PRODUCTS = 4096, 2048, 8
SHARES = (1.0, 0.5, 0.25)
VIEWED = (1.0, 0.75, 0.5, 1 / 3, 0.25, 0.1)
OBJECTIVE = Objective(percentile=99.0, latency_ms=100.0)
MEMORY_MIB = 12 * 1024
REQUEST = {"x": np.linspace(-1, 1, WIDTH, dtype=np.float32).reshape(1, WIDTH)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each saturated window (default 4)")
    seconds = parser.parse_args().seconds
    gpus = find_gpus()
    if not gpus.found:
        print(json.dumps({"ok": False, "why": gpus.reason}))
        return 1
    with tempfile.TemporaryDirectory(prefix="gpu-shares-") as folder:
        figures = measured(Path(folder), gpus, gpus.found[0], seconds)
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


def measured(home: Path, gpus: Gpus, gpu: Gpu, seconds: float) -> dict[str, Any]:
    print(f"{gpu.model}, compute capability {gpu.compute_capability}, {gpu.memory_mib} MiB, driver {gpus.driver}")
    views = seen_by_share(home, gpu)
    limit = memory_limit_holds(home, gpu)
    by_share = {f"{share:g}": one_share(home, gpus, gpu, share, seconds) for share in SHARES}
    after, left = find_gpus().found[0], left_behind(home)
    with nvml() as library:
        reading = read_gpu(library, gpu.uuid)
    whole = by_share["1"]["alone"]["mu"]
    return {
        "gpu": gpu.model,
        "driver": gpus.driver,
        "multiprocessors_by_share": views,
        "memory_limit": limit,
        "shares": by_share,
        "mu_of_all_replicas_over_whole": {k: round(v["all_mu"] / whole, 3) for k, v in by_share.items()},
        "compute_mode_as_before": after.compute_mode == gpu.compute_mode,
        "mps_clients_after": len(reading.mps_clients),
        "left_behind": left,
        "ok": limit["held"] and after.compute_mode == gpu.compute_mode and not left and not reading.mps_clients,
    }


def option(share: float, memory_mib: int | None = None) -> HardwareOption:
    return HardwareOption.model_validate(
        {"name": f"gpu-{share:.2f}", "device": "gpu", "cores": 2, "mps_share": share, "gpu_memory_mib": memory_mib}
    )


def seen_by_share(home: Path, gpu: Gpu) -> dict[str, int]:
    """How many multiprocessors CUDA gives to a client, by the share that it was started with."""
    daemons = MpsDaemons(home / "mps", [option(1.0)])
    found = {}
    for share in VIEWED:
        placement = GpuPlacement(uuid=gpu.uuid, model=gpu.model, mps_share=share)
        environment = {**base_environment(), **daemons.environment(placement, Deadline.after(60))}
        found[f"{share:.3g}"] = cuda_view(environment).multiprocessors
    daemons.keep([])
    print(f"multiprocessors by share: {found}")
    return found


def memory_limit_holds(home: Path, gpu: Gpu, limit_mib: int = 4096) -> dict[str, Any]:
    """Whether a client with a limit gets what is below it, and not what is above."""
    daemons = MpsDaemons(home / "mps", [option(1.0)])
    placement = GpuPlacement(uuid=gpu.uuid, model=gpu.model, mps_share=0.5, memory_mib=limit_mib)
    environment = {**base_environment(), **daemons.environment(placement, Deadline.after(60))}
    at, below = cuda_view(environment, limit_mib), cuda_view(environment, limit_mib // 2)
    daemons.keep([])
    found = {"limit_mib": limit_mib, "refused_at": at.refused, "refused_at_half": below.refused}
    print(f"memory limit: {found}")
    return {**found, "held": at.refused is True and below.refused is False}


def one_share(home: Path, gpus: Gpus, gpu: Gpu, share: float, seconds: float) -> dict[str, Any]:
    count = round(1 / share)
    with replicas(home, gpus, option(share, MEMORY_MIB), count) as running:
        first, *others = running
        assert first.gpu_seen is not None
        assert first.grpc_address is not None
        requests = [encode("chain", 1, REQUEST)]
        alone = capacity(first, requests, gpu)
        with driven([other.grpc_address for other in others if other.grpc_address], seconds):
            with watch_gpu(gpu.uuid) as gauge:
                loaded = closed_loop(first.grpc_address, requests, concurrency=4, seconds=seconds, least=20)
            use = gauge.use()
        guaranteed = beside(first, others, requests, gpu, seconds) if others else alone
        found = {
            "replicas": count,
            "multiprocessors": first.gpu_seen.multiprocessors,
            "memory_refused_at_limit": first.gpu_seen.refused,
            "started_in_s": first.started_in_s,
            "alone": alone,
            "guaranteed": guaranteed,
            "interference": round(alone["mu"] / loaded.rate, 3),
            "all_mu": round(loaded.rate * count, 2),
            "gpu": use.model_dump(),
        }
    print(f"share {share:g}: {json.dumps(found)}")
    return found


def capacity(replica: Replica, requests: Sequence[EncodedRequest], gpu: Gpu) -> dict[str, Any]:
    assert replica.grpc_address is not None
    bench = Bench(
        address=replica.grpc_address,
        pid=replica.pid,
        requests=requests,
        instances=1,
        objective=OBJECTIVE,
        progress=lambda text: print(f"  {text}"),
        seed=1,
        gpu=gpu.uuid,
    )
    found = measure_capacity(bench)
    kept = ("mu", "lambda_max", "lambda_low", "method", "idle_p50_ms", "p99_ms", "seconds")
    return {name: getattr(found, name) for name in kept}


def beside(
    first: Replica, others: Sequence[Replica], requests: Sequence[EncodedRequest], gpu: Gpu, seconds: float
) -> dict[str, Any]:
    with driven([other.grpc_address for other in others if other.grpc_address], 60 * seconds):
        return capacity(first, requests, gpu)


@contextmanager
def driven(addresses: Sequence[str], seconds: float) -> Iterator[None]:
    """The servers at `addresses` saturated, each by a process of its own, while the block runs."""
    stop = multiprocessing.get_context("spawn").Event()
    context = multiprocessing.get_context("spawn")
    drivers = [context.Process(target=drive, args=(address, stop), daemon=True) for address in addresses]
    for driver in drivers:
        driver.start()
    try:
        if drivers:
            time.sleep(min(seconds, 4.0))  # until all of them have imported and sent
        yield
    finally:
        stop.set()
        for driver in drivers:
            driver.join(30)


def drive(address: str, stop: Event) -> None:
    requests = [encode("chain", 1, REQUEST)]
    while not stop.is_set():
        closed_loop(address, requests, concurrency=4, seconds=0.5, least=4)


@contextmanager
def replicas(home: Path, gpus: Gpus, wanted: HardwareOption, count: int) -> Iterator[list[Replica]]:
    model = chain(home / "model.onnx")
    served = ServedModel(
        name="chain",
        version=1,
        format="onnx",
        main_file="model.onnx",
        files={"model.onnx": hashlib.sha256(model.read_bytes()).hexdigest()},
        signature=Signature((TensorSpec("x", "FP32", (-1, WIDTH)),), (TensorSpec("y", "FP32", (-1, WIDTH)),)),
    )

    def copy(files: Mapping[str, str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for path in files:
            shutil.copy2(model, folder / path)

    mps = MpsDaemons(home / "mps", [wanted])
    backend = LocalBackend(home / "servers", TritonInstallation.find(None, home / "triton"), gpus=gpus, mps=mps)
    backend.adopt()
    try:
        ids = [backend.start_replica(served, wanted, f"share {n}", copy, lease_s=3600) for n in range(count)]
        yield [wait_until(lambda i=i: ready(backend, i), Deadline.after(120), f"{i} is ready") for i in ids]
    finally:
        backend.close(stop_servers=True)


def ready(backend: LocalBackend, replica_id: str) -> Replica | None:
    replica = backend.observe(replica_id)
    if replica.state == "failed":
        raise SystemExit(f"{replica.error}\n" + "\n".join(replica.log_tail))
    return replica if replica.state == "ready" else None


def left_behind(home: Path) -> list[str]:
    """Folders of daemons and servers that should be gone."""
    return sorted(str(p.name) for part in ("mps", "servers") for p in (home / part).glob("*") if p.is_dir())


def base_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}


def chain(path: Path) -> Path:
    """y = mean over ROWS copies of x, times the weights PRODUCTS times, as an ONNX file of a few kilobytes."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    scale = helper.make_tensor("scale", TensorProto.FLOAT, [1], [1.0 / WIDTH])
    nodes = [
        helper.make_node("ConstantOfShape", ["square"], ["weights"], value=scale),
        helper.make_node("Expand", ["x", "tall"], ["h0"]),
        *(helper.make_node("MatMul", [f"h{n}", "weights"], [f"h{n + 1}"]) for n in range(PRODUCTS)),
        helper.make_node("ReduceMean", [f"h{PRODUCTS}"], ["y"], axes=[0], keepdims=1),
    ]
    constants = {"square": [WIDTH, WIDTH], "tall": [ROWS, WIDTH]}
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", WIDTH])],
        [numpy_helper.from_array(np.array(value, dtype=np.int64), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


if __name__ == "__main__":
    end_by_sigterm()
    sys.exit(main())
