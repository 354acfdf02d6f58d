"""Load on neighbours, against real gRPC servers and a real process that sends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest

from seatrial.client.transport import encode
from seatrial.errors import SeatrialError, ServerFailed
from seatrial.profiling.bench import Bench
from seatrial.profiling.capacity import survey_capacity
from seatrial.profiling.cell import Objective
from seatrial.profiling.driving import Driver, Load
from seatrial.waiting import Deadline, wait_until
from tests.standins.inference_server import InferenceServer, Status, double

REQUESTS = [encode("tiny", 1, {"x": np.ones((1, 4), np.float32)})]
CALLERS = Load(concurrency=2)

OWNER = """
import sys, numpy as np
from seatrial.client.transport import encode
from seatrial.profiling.driving import Driver, Load
with Driver([sys.argv[1]], [encode("tiny", 1, {"x": np.ones((1, 4), np.float32)})]) as driver:
    with driver.driving(Load(concurrency=1)):
        print("driving", flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def servers() -> Iterator[list[InferenceServer]]:
    found = [InferenceServer(service_s=0.002) for _ in range(2)]
    for server in found:
        server.start()
    yield found
    for server in found:
        server.stop()


def answered(server: InferenceServer, at_least: int) -> None:
    wait_until(lambda: server.answered >= at_least, Deadline.after(30), f"{at_least} requests are answered")


@pytest.mark.parametrize("load", [CALLERS, Load(rate=200, bound=10, seed=1)])
def test_every_server_gets_the_load_while_the_block_runs_and_none_after_it(
    servers: list[InferenceServer], load: Load
) -> None:
    with Driver([server.address for server in servers], REQUESTS) as driver:
        for _ in range(2):  # the second block begins anew
            before = [server.answered for server in servers]
            with driver.driving(load) as driven:
                for server, had in zip(servers, before, strict=True):
                    answered(server, had + 20)
            found = driven[0]
            assert (found.failed, found.reason) == (0, "")
            assert found.answered == sum(server.answered for server in servers) - sum(before) - len(servers)
        after = [server.answered for server in servers]
        with driver.driving(Load()):
            assert [server.answered - had for server, had in zip(servers, after, strict=True)] == [1, 1]


def test_no_more_than_the_bound_wait_for_an_answer(servers: list[InferenceServer]) -> None:
    asked: list[float] = []

    def never_but_the_first() -> float:
        asked.append(0.0 if not asked else 1000.0)
        return asked[-1]

    with (
        InferenceServer(service_s=never_but_the_first) as stuck,
        Driver([stuck, servers[0].address], REQUESTS) as driver,
        driver.driving(Load(rate=200, bound=3, seed=1)),
    ):
        answered(servers[0], 50)
        assert len(asked) == 1 + 3


def test_a_server_that_answers_nothing_is_said_before_the_block() -> None:
    def broken(_: object) -> dict[str, object]:
        raise Status("INTERNAL", "no kernel image")

    with InferenceServer(broken) as address, Driver([address], REQUESTS) as driver:  # type: ignore[arg-type]
        for _ in range(2):  # and the driver goes on to listen
            with (
                pytest.raises(ServerFailed, match=r"a neighbour does not answer: .*no kernel image"),
                driver.driving(CALLERS),
            ):
                raise AssertionError("the block must not run")


def test_requests_that_fail_are_counted_with_the_first_reason(servers: list[InferenceServer]) -> None:
    calls: list[int] = []

    def fails_later(tensors: dict[str, Any]) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise Status("INTERNAL", "out of memory")
        return double(tensors)

    with InferenceServer(fails_later) as address, Driver([address, servers[0].address], REQUESTS) as driver:
        with driver.driving(CALLERS) as driven:
            wait_until(lambda: len(calls) > 3, Deadline.after(30), "some failed")
        assert driven[0].failed >= 1
        assert "out of memory" in driven[0].reason


def test_its_process_is_gone_after_it_and_one_that_was_killed_is_said(servers: list[InferenceServer]) -> None:
    before = set(psutil.Process().children())
    driver = Driver([servers[0].address], REQUESTS)
    with driver:
        (child,) = set(psutil.Process().children()) - before
        child.kill()
        child.wait(30)
        with pytest.raises(SeatrialError, match="a process that sends requests ended"), driver.driving(CALLERS):
            raise AssertionError("the block must not run")
    assert not child.is_running()


def test_it_ends_with_its_owner_however_that_ends(servers: list[InferenceServer]) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", OWNER, servers[0].address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline().strip() == b"driving"
        (driving,) = psutil.Process(owner.pid).children()
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    driving.wait(30)


def test_beside_a_neighbour_on_one_device_a_replica_saturates_at_half_of_what_it_does_alone() -> None:
    """One worker is the device: two addresses of it would be two replicas that it serves by turns."""
    with InferenceServer(service_s=0.01) as device, Driver([device], REQUESTS) as driver:
        objective = Objective(percentile=99, latency_ms=400)
        alone = survey_capacity(Bench(device, None, REQUESTS, 1, objective, print, seed=1))
        beside = survey_capacity(Bench(device, None, REQUESTS, 1, objective, print, seed=1, neighbours=driver))
    assert beside.mu == pytest.approx(alone.mu / 2, rel=0.2)
    assert beside.idle_p50_ms == pytest.approx(alone.idle_p50_ms, rel=0.2)
