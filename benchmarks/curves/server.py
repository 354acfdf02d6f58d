"""The tritonserver that serves one of them on a core of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from seatrial.serving.ports import PortPool
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.waiting import Deadline, wait_until

CONFIG = """backend: "python"
max_batch_size: {max_batch}
input [{{ name: "x", data_type: TYPE_FP32, dims: [1] }}]
output [{{ name: "y", data_type: TYPE_FP32, dims: [1] }}]
instance_group [{{ count: 1, kind: KIND_CPU }}]
{batching}
"""


@dataclass(frozen=True)
class Curve:
    """Microseconds of an execution: `base_us` + `row_us` · rows, and `slow_us` more in one of `slow_every`."""

    base_us: int
    row_us: int = 0
    slow_us: int = 0
    slow_every: int = 0
    chance: int = 1
    max_batch: int = 1


@dataclass(frozen=True)
class Served:
    """Where it answers, and the process that does."""

    grpc_address: str
    pid: int


@contextmanager
def serving_curve(installation: TritonInstallation, home: Path, name: str, curve: Curve, core: int) -> Iterator[Served]:
    """A server for the time of the block, all of it on `core`."""
    repository = home / "repository"
    _write(repository / name, curve)
    ports = PortPool().take()
    command = installation.command(repository, name, ports, f"bench-{name}")
    with (home / "log").open("wb") as log:
        child = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command], env={**installation.environment}, stdout=log, stderr=log
        )
    try:
        ready = f"http://127.0.0.1:{ports.http}/v2/models/{name}/ready"
        wait_until(lambda: _is_ready(ready, child, home / "log"), Deadline.after(60), f"{name} is ready")
        yield Served(f"127.0.0.1:{ports.grpc}", child.pid)
    finally:
        child.terminate()
        child.wait()


def _write(folder: Path, curve: Curve) -> None:
    (folder / "1").mkdir(parents=True)
    shutil.copy2(Path(__file__).with_name("model.py"), folder / "1" / "model.py")
    values = {name: getattr(curve, name) for name in ("base_us", "row_us", "slow_us", "slow_every", "chance")}
    parameters = "\n".join(
        f'parameters {{ key: "{name}" value: {{ string_value: "{value}" }} }}' for name, value in values.items()
    )
    batching = "dynamic_batching { max_queue_delay_microseconds: 0 }" if curve.max_batch > 1 else ""
    text = CONFIG.format(max_batch=curve.max_batch, batching=batching)
    (folder / "config.pbtxt").write_text(text + parameters + "\n")


def _is_ready(url: str, child: subprocess.Popen[bytes], log: Path) -> bool:
    if child.poll() is not None:
        raise SystemExit(
            f"tritonserver ended with status {child.returncode}:\n{log.read_text(errors='replace')[-2000:]}"
        )
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def cores() -> tuple[int, set[int]]:
    """One core for a server, the others for what asks it. Raises SystemExit where there is one core only."""
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise SystemExit("two cores are needed: one for the server, one for the load")
    return first, set(others)
