"""Servers and deployments with a real tritonserver: started, replaced, adopted, drained, and never left behind."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from seatrial.client.transport import GrpcTransport, encode
from seatrial.errors import BadInput, Conflict, DeviceTaken, NotFound, Refused, TryAgain
from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving.cgroups import leftover
from seatrial.serving.deployments import Deployments
from seatrial.serving.desired import WantedStore
from seatrial.serving.local import LocalBackend
from seatrial.serving.processes import MARKER, ProcessId, identify, members
from seatrial.serving.record import FILE, ServerRecord, write_record
from seatrial.serving.server import STARTS
from seatrial.serving.server_log import KEPT_LINES, LOG, log_tail
from seatrial.serving.spec import Deployment, DeploymentSpec, Replica
from seatrial.serving.triton_log import is_port_clash
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.serving.watch import STUB, Limits
from seatrial.tensors import Signature, TensorSpec, to_npz
from seatrial.waiting import Deadline, wait_until
from tests.managers import PROGRAM, environ_of
from tests.models import tiny_onnx

ONE = HardwareOption.model_validate({"name": "cpu-1x1"})
OTHER = HardwareOption.model_validate({"name": "cpu-1x1-other"})
LAYER = ("FP32", (-1, 4))
AT_ONCE = Limits(grace_s=0.0)
"""What these servers still have when a test has ended need not be answered."""

Copy = Callable[[Mapping[str, str], Path], None]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> TritonInstallation:
    return TritonInstallation.find(None, tmp_path_factory.mktemp("triton"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_onnx(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Where the servers' folders are. Whatever a test leaves running below it is a failure, and is killed."""
    yield tmp_path
    left = [process for folder in (tmp_path / "servers").glob("*") for process in members(folder)]
    for process in left:
        process.kill()
    assert left == [], "a test's servers outlived it"
    assert leftover((tmp_path / "servers").resolve()) == [], "their cgroups did"


def served(model: Path) -> ServedModel:
    return ServedModel(
        name="tiny",
        version=1,
        format="onnx",
        main_file="model.onnx",
        files={"model.onnx": hashlib.sha256(model.read_bytes()).hexdigest()},
        signature=Signature((TensorSpec("x", *LAYER),), (TensorSpec("y", *LAYER),)),
    )


def copying(model: Path) -> Copy:
    def copy(files: Mapping[str, str], folder: Path) -> None:
        for path in files:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(model, folder / path)

    return copy


@contextmanager
def backend_in(
    home: Path, installation: TritonInstallation, *, stop_servers: bool = True, limits: Limits = AT_ONCE
) -> Iterator[LocalBackend]:
    backend = LocalBackend(home / "servers", installation, limits=limits)
    backend.adopt()
    try:
        yield backend
    finally:
        backend.close(stop_servers=stop_servers)


class Running:
    """Deployments of `tiny` as version with model id 1, and every set of endpoints that was ever told of."""

    def __init__(self, home: Path, installation: TritonInstallation, model: Path) -> None:
        self.told: list[tuple[str, ...]] = []
        self.backend = LocalBackend(home / "servers", installation, limits=AT_ONCE)
        self.deployments = Deployments(
            self.backend, home / "wanted", copy_files=copying(model), changed=self._tell, interval_s=0.1, drain_s=0.5
        )
        self._served = served(model)
        self.deployments.start()

    def _tell(self) -> None:
        self.told.append(self.addresses())

    def addresses(self) -> tuple[str, ...]:
        return tuple(endpoint.address for endpoint in self.deployments.endpoints(1))

    def forget_what_was_told(self) -> None:
        """All but the last, once that is what is so now: who follows the state may be quicker than who is told."""
        wait_until(lambda: self.told[-1:] == [self.addresses()], Deadline.after(60), "the endpoints were told")
        del self.told[:-1]

    def want(self, replicas: int = 1, option: HardwareOption = ONE) -> None:
        spec = DeploymentSpec(model_id=1, served=self._served, option=option, replicas=replicas)
        self.deployments.want(spec, to_npz({"x": np.ones((1, 4), np.float32)}))

    def is_now(self, state: str, replicas: int) -> Deployment:
        def settled() -> Deployment | None:
            found = self.deployments.get(1)
            whole = found is not None and found.state == state and len(found.replicas) == replicas
            return found if whole else None

        return wait_until(settled, Deadline.after(60), f"the deployment is {state} with {replicas} replica(s)")


@pytest.fixture
def running(home: Path, installation: TritonInstallation, model: Path) -> Iterator[Running]:
    found = Running(home, installation, model)
    yield found
    found.deployments.close(stop_servers=True)


def state_of(backend: LocalBackend, replica_id: str, state: str) -> Replica:
    def reached() -> Replica | None:
        replica = backend.observe(replica_id)
        return replica if replica.state == state else None

    return wait_until(reached, Deadline.after(60), f"server {replica_id} is {state}")


def left_ready(home: Path, installation: TritonInstallation, model: Path) -> str:
    """A ready trial server whose manager has ended."""
    with backend_in(home, installation, stop_servers=False) as backend:
        server = backend.start_replica(served(model), ONE, "a test", copying(model), lease_s=600)
        state_of(backend, server, "ready")
    return server


def answers(address: str) -> bool:
    with GrpcTransport() as transport:
        outputs = transport.send(address, encode("tiny", 1, {"x": np.ones((1, 4), np.float32)}), 10.0)
    return bool(np.array_equal(outputs["y"], np.full((1, 4), 2.0, np.float32)))


def test_a_trial_server_answers_on_its_core_and_is_gone_after_stop(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    with backend_in(home, installation) as backend:
        server = backend.start_replica(served(model), ONE, "a test", copying(model), lease_s=60)
        replica = state_of(backend, server, "ready")
        assert replica.grpc_address is not None
        assert replica.pid is not None
        assert answers(replica.grpc_address)
        assert len(replica.core_set) == 1
        assert (replica.runtime["runtime"], replica.runtime["threads"]) == ("onnxruntime", "1")
        folder = home / "servers" / server
        assert {tuple(os.sched_getaffinity(process.pid)) for process in members(folder)} == {replica.core_set}
        assert STUB in {process.name() for process in members(folder)}
        backend.stop(server)
        assert members(folder) == []
        assert not folder.exists()
        assert list(Path("/dev/shm").glob(f"*{server}*")) == []
        with pytest.raises(NotFound):
            backend.observe(server)
        backend.stop(server)


def test_a_truncated_model_fails_with_the_log_and_leaves_no_process(
    home: Path, installation: TritonInstallation, model: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(model.read_bytes()[:-20])
    with backend_in(home, installation) as backend:
        server = backend.start_replica(served(model), ONE, "a test", copying(broken), lease_s=60)
        replica = state_of(backend, server, "failed")
        assert "onnx" in "\n".join(replica.log_tail).lower()
        assert replica.error is not None
        assert "\n" not in replica.error
        assert (replica.pid, replica.grpc_address, replica.machine_failed) == (None, None, False)
        assert members(home / "servers" / server) == []


def test_a_model_that_answers_otherwise_than_its_signature_is_not_ready(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    lying = served(model).model_copy(
        update={"signature": Signature((TensorSpec("x", *LAYER),), (TensorSpec("y", "FP32", (-1, 5)),))}
    )
    with backend_in(home, installation) as backend:
        sample = to_npz({"x": np.ones((1, 4), np.float32)})
        server = backend.start_replica(lying, ONE, "a test", copying(model), lease_s=60, warmup=sample)
        assert "'y'" in (state_of(backend, server, "failed").error or "")


def test_what_this_machine_cannot_run_is_refused_before_anything_starts(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    many = HardwareOption.model_validate({"name": "cpu-999", "cores": 999})
    gpu = HardwareOption.model_validate({"name": "t4", "device": "gpu", "gpu": "T4"})
    with backend_in(home, installation) as backend:
        for option in (many, gpu):
            with pytest.raises(Refused):
                backend.start_replica(served(model), option, "a test", copying(model), lease_s=60)
        with pytest.raises(BadInput, match="'x'"):
            backend.start_replica(
                served(model), ONE, "a test", copying(model), lease_s=60, warmup=to_npz({"z": np.ones(1)})
            )
        assert backend.records() == {}
        assert [path.name for path in (home / "servers").iterdir()] == [".lock"]


def test_measured_servers_share_no_core_and_who_finds_none_free_starts_nothing(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    every = HardwareOption.model_validate({"name": "cpu-all", "cores": len(os.sched_getaffinity(0))})
    with backend_in(home, installation) as backend:
        start = partial(backend.start_replica, served(model), copy_files=copying(model), lease_s=60)
        first = start(ONE, "profile of a, run 1", measured=True)
        start(every, "check of b, run 2")
        with pytest.raises(DeviceTaken, match=r"profile of a, run 1 runs on core\(s\) \d+: this one waits"):
            start(every, "profile of c, run 3", measured=True)
        assert len(backend.records()) == 2
        backend.stop(first)
        last = start(every, "profile of c, run 3", measured=True)
        assert backend.records()[last].measured


def test_a_lease_that_passes_ends_its_server_and_no_other(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    with backend_in(home, installation) as backend:
        late = backend.start_replica(served(model), ONE, "late", copying(model), lease_s=1000)
        renewed = backend.start_replica(served(model), ONE, "renewed", copying(model), lease_s=1000)
        for server in (late, renewed):
            state_of(backend, server, "ready")
        backend.renew(renewed, 3000)
        now = backend.records()[late].created
        assert backend.reap(now + 500) == []
        assert backend.reap(now + 2000) == [late]
        assert members(home / "servers" / late) == []
        assert list(backend.records()) == [renewed]


@contextmanager
def ports_taken(backend: LocalBackend, times: int) -> Iterator[set[int]]:
    """A stranger is quicker than the server to bind the first so many ports for gRPC that were chosen for it."""
    with ExitStack() as strangers:
        taken = set[int]()

        def take(record: ServerRecord) -> None:
            if record.ports.grpc not in taken and len(taken) < times:
                strangers.enter_context(socket.create_server(("127.0.0.1", record.ports.grpc)))
                taken.add(record.ports.grpc)

        backend.on_record(take)
        yield taken


def test_ports_taken_between_choice_and_start_are_replaced(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    with backend_in(home, installation) as backend, ports_taken(backend, STARTS - 1) as taken:
        server = backend.start_replica(served(model), ONE, "a test", copying(model), lease_s=60)
        replica = state_of(backend, server, "ready")
        assert len(taken) == STARTS - 1
        assert replica.grpc_address is not None
        assert answers(replica.grpc_address)


def test_a_server_whose_ports_are_always_taken_says_nothing_of_the_model(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    with backend_in(home, installation) as backend, ports_taken(backend, STARTS) as taken:
        server = backend.start_replica(served(model), ONE, "a test", copying(model), lease_s=60)
        replica = state_of(backend, server, "failed")
        assert len(taken) == STARTS
        assert replica.machine_failed
        assert "already in use" in (replica.error or "")


def test_a_model_that_fails_on_free_ports_after_taken_ones_fails_by_itself(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    with backend_in(home, installation) as backend, ports_taken(backend, 1) as taken:

        def spoil() -> None:
            if any(record.ports.grpc not in taken for record in backend.records().values()):
                for file in (home / "servers").rglob("model.onnx"):
                    os.truncate(file, 20)

        backend.on_change(spoil)
        server = backend.start_replica(served(model), ONE, "a test", copying(model), lease_s=60)
        replica = state_of(backend, server, "failed")
        assert not replica.machine_failed
        said = log_tail(home / "servers" / server, KEPT_LINES)
        assert not is_port_clash(said), "the former start's: this one would be tried again"


def test_a_server_that_stops_answering_is_failed_and_killed(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    with backend_in(home, installation, limits=replace(AT_ONCE, silent_s=2.5)) as backend:
        server = backend.start_replica(served(model), ONE, "a test", copying(model), lease_s=60)
        replica = state_of(backend, server, "ready")
        assert replica.pid is not None
        psutil.Process(replica.pid).suspend()
        failed = state_of(backend, server, "failed")
        assert "has not answered" in (failed.error or "")
        assert members(home / "servers" / server) == []


def test_one_backend_a_folder(home: Path, installation: TritonInstallation) -> None:
    with backend_in(home, installation):
        with pytest.raises(Conflict, match="another Inference Manager"):
            LocalBackend(home / "servers", installation).adopt()
    with backend_in(home, installation):
        pass


def test_processes_and_folders_that_nothing_knows_are_removed_on_adoption(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    forgotten = left_ready(home, installation, model)
    assert len(members(home / "servers" / forgotten)) >= 2, "the backend left it running"
    shutil.rmtree(home / "servers" / forgotten)
    (home / "servers" / "half-written").mkdir()
    with backend_in(home, installation) as backend:
        assert backend.records() == {}
        assert members(home / "servers" / forgotten) == []
        assert not (home / "servers" / "half-written").exists()


def test_another_manager_goes_on_with_the_same_servers(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    first = Running(home, installation, model)
    first.want()
    before = first.is_now("ready", 1)
    first.deployments.close(stop_servers=False)
    second = Running(home, installation, model)
    try:
        after = second.is_now("ready", 1)
        assert after.replicas[0] == before.replicas[0]
        assert answers(second.addresses()[0])
    finally:
        second.deployments.close(stop_servers=True)


def test_a_server_half_started_by_a_manager_is_started_to_the_end_by_the_next(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    first = Running(home, installation, model)
    first.want()
    wait_until(
        lambda: any(record.process for record in first.backend.records().values()), Deadline.after(30), "a process"
    )
    first.deployments.close(stop_servers=False)
    (half,) = (home / "servers").glob("tiny-*")
    second = Running(home, installation, model)
    try:
        assert second.is_now("ready", 1).replicas[0].id == half.name
    finally:
        second.deployments.close(stop_servers=True)


def test_a_server_with_other_threads_than_it_was_given_is_not_ready(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    with backend_in(home, installation, stop_servers=False) as backend:
        server = backend.start_replica(served(model), ONE, "a test", copying(model), lease_s=600)
        state_of(backend, server, "ready")
        record = backend.records()[server]
    asked = record.option.model_copy(update={"threads": 2})
    write_record(home / "servers" / server, record.model_copy(update={"option": asked, "started_in_s": None}))
    with backend_in(home, installation) as backend:
        why = state_of(backend, server, "failed").error or ""
        assert "was given 2 threads, but onnxruntime says 1" in why


def _triton(deployment: Deployment, home: Path) -> psutil.Process:
    return psutil.Process(deployment.replicas[0].pid)


def _python_instance(deployment: Deployment, home: Path) -> psutil.Process:
    folder = home / "servers" / deployment.replicas[0].id
    return next(process for process in members(folder) if process.name() == STUB)


@pytest.mark.parametrize("victim", [_triton, _python_instance])
def test_a_killed_process_of_a_deployment_is_replaced(
    running: Running, home: Path, victim: Callable[[Deployment, Path], psutil.Process]
) -> None:
    running.want()
    before = running.is_now("ready", 1)
    victim(before, home).send_signal(signal.SIGKILL)
    old = before.replicas[0].grpc_address
    wait_until(lambda: running.addresses() and old not in running.addresses(), Deadline.after(60), "another server")
    assert running.is_now("ready", 1).replicas[0].id != before.replicas[0].id
    assert answers(running.addresses()[0])
    assert () in running.told, "an endpoint that does not answer is taken away before its successor is there"
    assert members(home / "servers" / before.replicas[0].id) == []


def test_scaling_up_and_down_never_leaves_no_endpoint(running: Running) -> None:
    running.want(1)
    (first,) = running.is_now("ready", 1).replicas
    running.forget_what_was_told()
    running.want(2)
    running.is_now("ready", 2)
    assert len(running.addresses()) == 2
    assert all(answers(address) for address in running.addresses())
    running.want(1)
    assert running.is_now("ready", 1).replicas[0].id == first.id, "the newest one goes"
    assert all(running.told)


def test_another_hardware_option_is_ready_before_the_old_server_drains(running: Running) -> None:
    running.want(1)
    running.is_now("ready", 1)
    old = running.addresses()
    running.forget_what_was_told()
    running.want(1, OTHER)
    wait_until(lambda: running.addresses() not in (old, ()), Deadline.after(60), "the endpoint has moved")
    running.is_now("ready", 1)
    assert running.addresses() != old
    assert all(running.told), "there was no moment without an endpoint"


def test_a_dropped_deployment_has_no_endpoint_at_once_and_no_server_in_the_end(running: Running, home: Path) -> None:
    running.want()
    (replica,) = running.is_now("ready", 1).replicas
    (address,) = running.addresses()
    running.deployments.drop(1, drain_s=0.5)
    assert running.addresses() == ()
    assert answers(address), "whoever has not heard of it yet is served"
    wait_until(lambda: running.deployments.get(1) is None, Deadline.after(60), "it is forgotten")
    assert members(home / "servers" / replica.id) == []
    assert list((home / "wanted").iterdir()) == []


def test_a_deployment_that_is_kept_warm_goes_on_serving_and_leaves_its_core_to_others(
    running: Running, home: Path, model: Path
) -> None:
    running.want()
    (kept,) = running.is_now("ready", 1).replicas
    running.deployments.keep_warm(1, "local", 1_000)
    assert running.is_now("ready", 1).kept_warm_until_ms == 1_000
    assert WantedStore(home / "wanted").all()["1-local"].kept_warm_until_ms == 1_000, "also for the next manager"
    beside = running.backend.start_replica(served(model), ONE, "a test", copying(model), lease_s=60)
    assert running.backend.observe(beside).core_set == kept.core_set, "as if nobody were there"
    assert answers(running.addresses()[0])
    running.want()
    again = running.is_now("ready", 1)
    assert (again.replicas[0].id, again.kept_warm_until_ms) == (kept.id, None)
    other = running.backend.start_replica(served(model), ONE, "another test", copying(model), lease_s=60)
    assert running.backend.observe(other).core_set != kept.core_set or len(os.sched_getaffinity(0)) == 1


def test_a_deployment_that_cannot_start_is_failed_with_the_log_and_recovers_when_asked_again(
    home: Path, installation: TritonInstallation, model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "changing.onnx"
    file.write_bytes(model.read_bytes()[:-20])
    running = Running(home, installation, file)
    try:
        running.want()
        failed = wait_until(
            lambda: next((d for d in running.deployments.all() if d.state == "failed"), None),
            Deadline.after(60),
            "it is given up",
        )
        assert "3 replicas in a row failed" in (failed.error or "")
        assert any(replica.log_tail for replica in failed.replicas)
        running.deployments.close(stop_servers=False)
        running = Running(home, installation, file)
        again = running.deployments.get(1)
        assert again is not None
        assert (again.state, again.error) == ("failed", failed.error), "another manager goes on with the pauses"
        assert running.backend.records() == {}
        file.write_bytes(model.read_bytes())
        running.want()
        running.is_now("ready", 1)
    finally:
        running.deployments.close(stop_servers=True)


def test_a_trial_whose_lease_has_passed_is_not_adopted(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    with backend_in(home, installation, stop_servers=False) as backend:
        server = backend.start_replica(served(model), ONE, "a test", copying(model), lease_s=60)
        state_of(backend, server, "ready")
        backend.renew(server, 2.0)
        until = backend.records()[server].lease_until or 0.0
    wait_until(lambda: time.monotonic() > until, Deadline.after(10), "the lease has passed")
    assert members(home / "servers" / server), "nobody has stopped it"
    with backend_in(home, installation) as backend:
        assert backend.records() == {}
        assert members(home / "servers" / server) == []


def test_strangers_are_never_touched(home: Path, installation: TritonInstallation, model: Path) -> None:
    marked = {MARKER: str(home / "others" / "servers" / "tiny-1-00000000")}
    above = {MARKER: str((home / "servers").resolve() / "..")}
    with backend_in(home, installation, stop_servers=False) as backend:
        server = backend.start_replica(served(model), ONE, "a test", copying(model), lease_s=600)
        state_of(backend, server, "ready")
        record = backend.records()[server]
    for process in members(home / "servers" / server):
        process.kill()
    strangers = [
        psutil.Popen(["sleep", "600"], env=environ) for environ in ({}, marked, above)
    ]  # later than the server
    try:
        for stranger in strangers:  # has the pid now that the server had
            found = identify(stranger.pid)
            assert record.process is not None
            assert found is not None
            taken = record.model_copy(update={"process": ProcessId(stranger.pid, record.process.started)})
            write_record(home / "servers" / server, taken)
            with backend_in(home, installation) as backend:
                assert backend.records() == {}
        assert all(stranger.is_running() and stranger.poll() is None for stranger in strangers)
    finally:
        for stranger in strangers:
            stranger.kill()
            stranger.wait()


def test_a_server_that_cannot_be_started_says_why_and_nothing_of_the_model(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    missing = home / "nowhere" / "tritonserver"
    script = home / "tritonserver"
    script.write_text(f'#!/bin/sh\nexec {missing} "$@"\n')
    script.chmod(0o755)
    for binary, said in (
        (missing, f"{missing} could not be started: [Errno 2] No such file or directory"),
        (script, str(missing)),
    ):
        with backend_in(home, replace(installation, binary=binary)) as backend:
            server = backend.start_replica(served(model), ONE, "a test", copying(model), lease_s=60)
            replica = state_of(backend, server, "failed")
            assert said in (replica.error or "")
            assert replica.machine_failed


def _is_away(_: Path) -> None:
    raise TryAgain("the storage is away")


def _is_full(_: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _has_no_log(server: Path) -> None:
    (server / LOG).mkdir()


@pytest.mark.parametrize(
    ("act", "said"),
    [(_is_away, "the storage is away"), (_is_full, "No space left on device"), (_has_no_log, "Is a directory")],
)
def test_a_server_that_its_machine_fails_says_nothing_of_the_model(
    act: Callable[[Path], None], said: str, home: Path, installation: TritonInstallation, model: Path
) -> None:
    def copy(files: Mapping[str, str], folder: Path) -> None:
        copying(model)(files, folder)
        act(next((home / "servers").glob("tiny-*")))

    with backend_in(home, installation) as backend:
        server = backend.start_replica(served(model), ONE, "a test", copy, lease_s=60)
        replica = state_of(backend, server, "failed")
        assert replica.machine_failed
        assert said in (replica.error or "")


def test_a_server_that_an_older_manager_started_is_gone_on_with(
    home: Path, installation: TritonInstallation, model: Path
) -> None:
    server = left_ready(home, installation, model)
    file = home / "servers" / server / FILE
    file.write_text(file.read_text().replace('"machine_failed"', '"lacked_files"'))
    with backend_in(home, installation) as backend:
        assert backend.observe(server).state == "ready"


def test_a_manager_without_tritonserver_says_so_in_one_line(home: Path) -> None:
    environ = {**environ_of(home), "SEATRIAL_TRITON": str(home / "nowhere")}
    ended = subprocess.run([sys.executable, *PROGRAM], env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("seatrial-manager: ")
    assert f"{home / 'nowhere' / 'bin' / 'tritonserver'} is missing" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", folder], check=False).returncode:
        pytest.skip("only root may mount a small file system to fill")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk: Path) -> None:
    with (disk / "full").open("ab", buffering=0) as full, suppress(OSError):
        while True:
            full.write(b"\0" * 4096)


def test_on_a_full_disk_what_runs_goes_on_and_what_is_new_says_why(
    small_disk: Path, installation: TritonInstallation, model: Path
) -> None:
    running = Running(small_disk, installation, model)
    try:
        running.want()
        (first,) = running.is_now("ready", 1).replicas
        fill(small_disk)
        with pytest.raises(TryAgain, match="No space left on device"):
            running.want(2)
        assert answers(running.addresses()[0])
        psutil.Process(first.pid).kill()

        def noticed() -> str | None:
            fill(small_disk)  # what ends gives its space back
            found = running.deployments.get(1)
            return None if found is None else found.error

        assert "No space left on device" in wait_until(noticed, Deadline.after(90), "the replacement fails")
        (small_disk / "full").unlink()
        running.want()
        running.is_now("ready", 1)
        assert answers(running.addresses()[0])
    finally:
        running.deployments.close(stop_servers=True)
