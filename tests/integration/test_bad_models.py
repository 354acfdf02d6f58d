"""Models that misbehave in a real tritonserver: each ends in a clear state with the reason, and others keep serving."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from seatrial.client.transport import GrpcTransport, encode
from seatrial.errors import SeatrialError
from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving import confinement
from seatrial.serving.cgroups import leftover
from seatrial.serving.deployments import Deployments
from seatrial.serving.local import LocalBackend
from seatrial.serving.processes import MARKER, members
from seatrial.serving.server_log import LIMIT, LOG
from seatrial.serving.spec import DeploymentSpec, Replica
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.serving.watch import Limits
from seatrial.tensors import Signature, TensorSpec, to_npz
from seatrial.waiting import Deadline, wait_until
from tests.misbehaving import misbehaving_installation
from tests.models import tiny_onnx

OPTION = HardwareOption.model_validate({"name": "cpu-1x1"})
SMALL = HardwareOption.model_validate({"name": "cpu-1x1", "memory_mib": 512})
SERVED = ServedModel(
    name="tiny",
    version=1,
    format="onnx",
    main_file="model.onnx",
    files={},
    signature=Signature((TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("y", "FP32", (-1, 4)),)),
)
X = np.ones((1, 4), np.float32)
SAMPLE = to_npz({"x": X})


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> TritonInstallation:
    return misbehaving_installation(tmp_path_factory.mktemp("misbehaving"))


class Servers:
    """A backend, and models of four lines that misbehave in one way."""

    def __init__(self, home: Path, installation: TritonInstallation, limits: Limits) -> None:
        self.home, self.backend = home, LocalBackend(home / "servers", installation, limits=limits)

    def start(self, misbehave: str, option: HardwareOption = OPTION) -> str:
        served, copy = self.model(misbehave)
        return self.backend.start_replica(
            served, option, f"a model that will {misbehave}", copy, lease_s=600, warmup=SAMPLE
        )

    def model(self, misbehave: str) -> tuple[ServedModel, Callable[[Mapping[str, str], Path], None]]:
        file = tiny_onnx(self.home / "models" / (misbehave or "good") / "model.onnx", metadata={"misbehave": misbehave})

        def copy(files: Mapping[str, str], folder: Path) -> None:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, folder)

        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return SERVED.model_copy(update={"files": {"model.onnx": digest}}), copy

    def becomes(self, server: str, state: str) -> Replica:
        def reached() -> Replica | None:
            replica = self.backend.observe(server)
            assert replica.state in (state, "starting", "ready"), replica.error
            return replica if replica.state == state else None

        return wait_until(reached, Deadline.after(90), f"{server} is {state}")

    def ends(self, server: str) -> str:
        """Why the server failed; when this returns, no process of it is left."""
        why = self.becomes(server, "failed").error or ""
        wait_until(lambda: not members(self.folder(server)), Deadline.after(20), f"no process of {server} is left")
        return why

    def now(self, server: str) -> None:
        """From now on it misbehaves at each request."""
        (self.folder(server) / "now").touch()

    def folder(self, server: str) -> Path:
        return self.home / "servers" / server


@contextmanager
def servers_in(home: Path, installation: TritonInstallation, **limits: float) -> Iterator[Servers]:
    servers = Servers(home, installation, Limits(**{"grace_s": 0.0, **limits}))
    servers.backend.adopt()
    try:
        yield servers
    finally:
        servers.backend.close(stop_servers=True)
    left = [replica.name for _, replica in leftover((home / "servers").resolve()) if not replica.exists()]
    assert left == [], "their cgroups outlived them"


def ask(address: str | None, timeout_s: float = 20.0) -> bool:
    assert address is not None
    with GrpcTransport() as transport:
        outputs = transport.send(address, encode(SERVED.name, 1, {"x": X}), timeout_s)
    return bool(np.array_equal(outputs["y"], X * 2))


@pytest.fixture(scope="module", autouse=True)
def another_model_is_served(
    installation: TritonInstallation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """All the time, on the same machine, without one failed call."""
    calls, stop = list[bool](), threading.Event()

    def call(address: str | None) -> None:
        while not stop.wait(0.1):
            try:
                calls.append(ask(address))
            except SeatrialError:
                calls.append(False)

    with servers_in(tmp_path_factory.mktemp("good"), installation) as servers:
        caller = threading.Thread(target=call, args=(servers.becomes(servers.start(""), "ready").grpc_address,))
        caller.start()
        yield
        stop.set()
        caller.join()
    assert calls
    assert all(calls), f"{calls.count(False)} of {len(calls)} calls of another model failed"


@pytest.mark.parametrize("what", ["end-instance", "end-server", "end-instance@1", "end-server@1"])
def test_a_model_that_ends_its_server_before_it_is_ready(tmp_path: Path, installation: Any, what: str) -> None:
    with servers_in(tmp_path, installation) as servers:
        why = servers.ends(servers.start(what))
        assert any(text in why for text in ("ended", "no answer to the warm-up request", "is not healthy")), why


@pytest.mark.parametrize("what", ["end-instance!", "end-server!"])
def test_a_model_that_ends_its_server_at_a_request(tmp_path: Path, installation: Any, what: str) -> None:
    with servers_in(tmp_path, installation) as servers:
        server = servers.start(what)
        address = servers.becomes(server, "ready").grpc_address
        assert ask(address)
        servers.now(server)
        with pytest.raises(SeatrialError):
            ask(address)
        assert "ended" in servers.ends(server)


def test_a_model_that_ends_its_server_after_a_hundred_requests(tmp_path: Path, installation: Any) -> None:
    with servers_in(tmp_path, installation) as servers:
        server = servers.start("end-instance@100")
        address = servers.becomes(server, "ready").grpc_address
        assert all(ask(address) for _ in range(90)), "the others warmed it up"
        with pytest.raises(SeatrialError):
            all(ask(address) for _ in range(10))
        assert "the process of a model instance ended" in servers.ends(server)


def test_a_model_that_never_becomes_ready(tmp_path: Path, installation: Any) -> None:
    with servers_in(tmp_path, installation, start_s=6.0) as servers:
        assert "the model is ready: not within" in servers.ends(servers.start("never-end"))


def test_a_server_is_stopped_while_it_waits_for_an_answer_that_never_comes(tmp_path: Path, installation: Any) -> None:
    with servers_in(tmp_path, installation, start_s=600.0) as servers:
        server = servers.start("never-end@1")
        wait_until(lambda: members(servers.folder(server))[1:], Deadline.after(60), "its processes")
        stopping = threading.Thread(target=servers.backend.stop, args=(server,), daemon=True)
        stopping.start()
        wait_until(lambda: not stopping.is_alive(), Deadline.after(60), "it is stopped")
        assert members(servers.folder(server)) == []


def test_a_model_that_eats_memory_is_killed_by_its_limit(tmp_path: Path, installation: Any) -> None:
    with servers_in(tmp_path, installation) as servers:
        for what in ("eat-memory", "eat-memory!"):
            server = servers.start(what, SMALL)
            if "!" in what:
                ready = servers.becomes(server, "ready")
                servers.now(server)
                assert (ready.memory_limit or "").startswith("512 MiB (cgroup v")
                with pytest.raises(SeatrialError):
                    ask(ready.grpc_address)
            assert servers.ends(server).startswith("killed by the memory limit 512 MiB (cgroup v")


def without_cgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a kernel that gives us no right to one."""
    for make in ("make_cgroup", "make_pids_cgroup"):
        monkeypatch.setattr(confinement, make, lambda replica: None)


def test_without_a_cgroup_each_process_has_its_limit(
    tmp_path: Path, installation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_cgroups(monkeypatch)
    with servers_in(tmp_path, installation) as servers:
        server = servers.start("eat-memory!", SMALL)
        ready = servers.becomes(server, "ready")
        assert ready.memory_limit == "1024 MiB of data for each process (RLIMIT_DATA)"
        assert (ready.process_limit or "").startswith("none: ")
        servers.now(server)
        with pytest.raises(SeatrialError):
            ask(ready.grpc_address)
        (servers.folder(server) / "now").unlink()
        assert ask(ready.grpc_address), "only that allocation failed"
        for process in members(servers.folder(server)):
            assert process.rlimit(psutil.RLIMIT_DATA)[0] == 1024 * 2**20


@pytest.mark.parametrize("what", ["fork-bomb", "fork-bomb!"])
def test_a_model_that_forks_without_end_is_ended_at_its_limit(
    tmp_path: Path, installation: Any, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(confinement, "SERVER_TASKS", 21)  # and 129 of its instance: not more forks than a test needs
    with servers_in(tmp_path, installation) as servers:
        server = servers.start(what)
        if "!" in what:
            ready = servers.becomes(server, "ready")
            assert (ready.process_limit or "").startswith("150 processes and threads (cgroup v")
            servers.now(server)
            with pytest.raises(SeatrialError):
                ask(ready.grpc_address)
        assert servers.ends(server).startswith("reached its limit of 150 processes and threads (cgroup v")


@pytest.mark.parametrize("kept", ["a cgroup", "no cgroup"])
@pytest.mark.parametrize("grace_s", [0.0, 6.0])
def test_what_a_model_has_started_ends_with_its_server(
    tmp_path: Path, installation: Any, monkeypatch: pytest.MonkeyPatch, kept: str, grace_s: float
) -> None:
    if kept == "no cgroup":
        without_cgroups(monkeypatch)
    with servers_in(tmp_path, installation) as servers:
        server = servers.start("fork!")
        address = servers.becomes(server, "ready").grpc_address
        servers.now(server)
        assert ask(address)
        (servers.folder(server) / "now").unlink()
        children = wait_until(lambda: sleeping(servers.folder(server)), Deadline.after(20), "three children")
        assert any(MARKER not in child.environ() for child in children), "one has an empty environment and no parent"
        servers.backend.stop(server, grace_s)
        assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def sleeping(folder: Path) -> list[psutil.Process] | None:
    """The three children of a model that forks: each runs `sleep 1000` with the replica's folder as its own."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() == "sleep" and process.cwd() == str(folder.resolve()):
                found.append(process)
    return found if len(found) == 3 else None


def test_a_model_that_writes_to_its_repository(tmp_path: Path, installation: Any) -> None:
    with servers_in(tmp_path, installation) as servers:
        server = servers.start("write!")
        address = servers.becomes(server, "ready").grpc_address
        servers.now(server)
        assert ask(address)
        assert "its model repository was written to: tiny/1/files/model.onnx" in servers.ends(server)


def test_a_model_that_logs_a_gigabyte_serves_on_and_fills_no_disk(tmp_path: Path, installation: Any) -> None:
    with servers_in(tmp_path, installation) as servers:
        server = servers.start("log-much!")
        address = servers.becomes(server, "ready").grpc_address
        servers.now(server)
        assert ask(address, timeout_s=60)
        (servers.folder(server) / "now").unlink()
        wait_until(lambda: _size(servers.folder(server)) < LIMIT + 2**21, Deadline.after(10), "the log has been cut")
        assert ask(address)
        assert b"were cut off" in (servers.folder(server) / LOG).read_bytes(), "also where a MiB came after"
        assert servers.backend.observe(server).state == "ready"


def test_while_no_manager_is_there_a_log_ends_at_the_limit_of_a_file(
    tmp_path: Path, installation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 2**25
    monkeypatch.setattr(confinement, "FILE_LIMIT", limit)
    with servers_in(tmp_path, installation) as servers:
        server = servers.start("log-much!")
        address = servers.becomes(server, "ready").grpc_address
        servers.now(server)
        servers.backend.close(stop_servers=False)
        with pytest.raises(SeatrialError, match="File too large"):
            ask(address)
        (servers.folder(server) / "now").unlink()
        assert (servers.folder(server) / LOG).stat().st_size <= limit
        assert ask(address), "it serves on"
    with servers_in(tmp_path, installation) as servers:
        wait_until(lambda: _size(servers.folder(server)) < LIMIT + 2**21, Deadline.after(10), "the log has been cut")
        assert servers.backend.observe(server).state == "ready"
        assert ask(address)


def _size(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.glob("server.log*"))


def test_a_model_that_hangs_in_a_request_is_told_from_one_that_is_slow(tmp_path: Path, installation: Any) -> None:
    with servers_in(tmp_path, installation, hung_s=3.0) as servers:
        slow, hung = servers.start("dawdle!"), servers.start("never-end!")
        busy = servers.becomes(slow, "ready").grpc_address
        address = servers.becomes(hung, "ready").grpc_address
        servers.now(slow)
        servers.now(hung)
        with pytest.raises(SeatrialError):
            ask(address, 0.5)  # it hangs in this one, and nobody asks it anything any more
        callers = [threading.Thread(target=ask, args=(busy, 60.0)) for _ in range(12)]
        for caller in callers:
            caller.start()
        assert "tiny 1: hangs: " in servers.ends(hung)
        for caller in callers:
            caller.join()
        assert servers.backend.observe(slow).state == "ready", "a queue of 12 s is no reason"


def test_one_instance_that_hangs_is_seen_while_another_one_answers(tmp_path: Path, installation: Any) -> None:
    two = HardwareOption.model_validate({"name": "cpu-2x1", "cores": 2, "instances": 2})
    with servers_in(tmp_path, installation, hung_s=3.0) as servers:
        server = servers.start("never-end!", two)
        address = servers.becomes(server, "ready").grpc_address
        servers.now(server)
        with pytest.raises(SeatrialError):
            ask(address, 0.5)
        (servers.folder(server) / "now").unlink()
        assert ask(address), "the other one answers, also its manager's sample"
        assert "hangs: one of its instances has worked on the same requests for" in servers.ends(server)


def test_a_hung_replica_of_a_deployment_is_no_endpoint_any_more_and_is_replaced(
    tmp_path: Path, installation: Any
) -> None:
    servers = Servers(tmp_path, installation, Limits(hung_s=2.0))
    served, copy = servers.model("never-end!")
    deployments = Deployments(servers.backend, tmp_path / "wanted", copy_files=copy, interval_s=0.1)
    deployments.start()
    try:
        deployments.want(DeploymentSpec(model_id=1, served=served, option=OPTION), SAMPLE)
        (first,) = wait_until(lambda: deployments.endpoints(1), Deadline.after(60), "an endpoint")
        servers.now(next(iter(servers.backend.records())))
        (second,) = wait_until(
            lambda: tuple(e for e in deployments.endpoints(1) if e != first), Deadline.after(60), "another endpoint"
        )
        assert second.address != first.address
    finally:
        deployments.close(stop_servers=True)


def test_a_drained_server_ends_when_its_last_request_is_answered(tmp_path: Path, installation: Any) -> None:
    with servers_in(tmp_path, installation) as servers, ExitStack() as stack:
        server = servers.start("dawdle!")
        address, answers = servers.becomes(server, "ready").grpc_address, list[bool]()
        log = stack.enter_context((servers.folder(server) / "server.log").open())
        servers.now(server)
        callers = [threading.Thread(target=lambda: answers.append(ask(address, 60.0))) for _ in range(5)]
        for caller in callers:
            caller.start()
        servers.backend.drain(server, 0.2)
        for caller in callers:
            caller.join()
        assert answers == [True] * 5, "5 s of work were outstanding, 0.2 s after the drain began"
        wait_until(lambda: server not in servers.backend.records(), Deadline.after(30), "it has ended")
        assert "Signal (15) received" in log.read(), "it was asked to end before it was killed"


def test_a_drained_server_that_hangs_is_killed_in_the_end(tmp_path: Path, installation: Any) -> None:
    with servers_in(tmp_path, installation, outstanding_s=2.0, grace_s=1.0) as servers:
        server = servers.start("never-end!")
        address = servers.becomes(server, "ready").grpc_address
        servers.now(server)
        with pytest.raises(SeatrialError):
            ask(address, 0.5)
        servers.backend.drain(server, 0.0)
        wait_until(lambda: server not in servers.backend.records(), Deadline.after(30), "it has ended")
        assert members(servers.folder(server)) == []
