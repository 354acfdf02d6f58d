"""What a call's cost is measured against: real tritonservers, and a small process that says where they are.

Each server serves `identity`: y = x, one request at a time. The discovery process speaks the manager's protocol (ETag,
long poll) for a document that it is told on its input; a whole manager would measure itself too, and
`make bench-failover` has one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from seatrial.serving.ports import Ports
from seatrial.serving.tritonserver import TritonInstallation, remove_shared_memory
from seatrial.waiting import Deadline, wait_until

MODEL = "identity"
SIGNATURE = {
    "inputs": [{"name": "x", "dtype": "FP32", "shape": [-1]}],
    "outputs": [{"name": "y", "dtype": "FP32", "shape": [-1]}],
}
NO_CAPTURE = {"share": 0, "per_minute": 0}

_CONFIG = """
name: "identity"
backend: "python"
max_batch_size: 0
input [{ name: "x" data_type: TYPE_FP32 dims: [-1] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [-1] }]
instance_group [{ kind: KIND_CPU count: 1 }]
"""

_PROGRAM = """
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            x = pb.get_input_tensor_by_name(request, "x")
            answers.append(pb.InferenceResponse([pb.Tensor("y", x.as_numpy())]))
        return answers
"""


class Replica:
    """A tritonserver that was started. It is a process group of its own: its python process dies with it."""

    def __init__(self, name: str, ports: Ports, process: subprocess.Popen[bytes]) -> None:
        self.name, self._ports, self._process = name, ports, process
        self.address = f"127.0.0.1:{ports.grpc}"

    def wait_ready(self) -> None:
        url = f"http://127.0.0.1:{self._ports.http}/v2/models/{MODEL}/ready"
        wait_until(lambda: self._answers(url), Deadline.after(60), f"{self.name} is ready")

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        remove_shared_memory(self.name)

    def _answers(self, url: str) -> bool:
        assert self._process.poll() is None, "a server ended; its log is in the benchmark's folder"
        try:
            return httpx.get(url, trust_env=False, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def replicas(count: int, *, port: int, cores: set[int] | None = None) -> Iterator[list[Replica]]:
    """That many servers, ready; on these cores, if any are named. All are gone at the end, whatever became of them."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seatrial-bench-")))
        triton = TritonInstallation.find(None, home / "triton")
        started = []
        for index in range(count):
            started.append(_start(triton, home, f"bench-{os.getpid()}-{index}", port + 3 * index, cores))
            stack.callback(started[-1].end)
        for replica in started:
            replica.wait_ready()
        yield started


def _start(triton: TritonInstallation, home: Path, name: str, port: int, cores: set[int] | None) -> Replica:
    ports, repository = Ports(http=port, grpc=port + 1, metrics=port + 2), home / name
    (repository / MODEL / "1").mkdir(parents=True)
    (repository / MODEL / "config.pbtxt").write_text(_CONFIG)
    (repository / MODEL / "1" / "model.py").write_text(_PROGRAM)
    command = triton.command(repository, MODEL, ports, name)
    if cores:
        command = ["taskset", "-c", ",".join(map(str, sorted(cores))), *command]
    with (home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=dict(triton.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Replica(name, ports, process)


class Discovery:
    """The process that says where servers are."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self._process, self.url = process, url

    def tell(self, *servers: Replica, capture: Mapping[str, float] = NO_CAPTURE) -> None:
        """From now on these serve version 1 in Production, all of one weight."""
        assert self._process.stdin is not None
        document = _document([server.address for server in servers], capture)
        self._process.stdin.write(json.dumps(document) + "\n")
        self._process.stdin.flush()


@contextmanager
def discovery(*servers: Replica) -> Iterator[Discovery]:
    command = [sys.executable, "-m", "benchmarks.client_discovery"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            found = Discovery(process, process.stdout.readline().strip())
            found.tell(*servers)
            yield found
        finally:
            process.kill()


def _document(addresses: list[str], capture: Mapping[str, float]) -> dict[str, Any]:
    endpoints = [{"address": address, "weight": 1.0} for address in addresses]
    versions = {"1": {"model_id": 1, "signature": SIGNATURE, "endpoints": endpoints}}
    where = {"production": 1, "staging": None, "versions": versions}
    return {"models": {MODEL: {"capture": dict(capture), "environments": {"local": where}}}}
