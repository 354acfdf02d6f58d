"""Roll-over and rollback on a real manager and real Inference Servers, killed at every point; promotions watched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil
import pytest

from seatrial import InferenceClient
from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import Conflict, ManagerUnavailable, NoSuchVersion, NotDeployed, SeatrialError, ServerFailed
from seatrial.settings import Settings
from seatrial.steps.choose_hardware import policy_from
from seatrial.steps.promote import promote
from seatrial.steps.push_autoscaling import push_autoscaling
from seatrial.steps.rollback import roll_back
from seatrial.waiting import Deadline, wait_until
from tests.managers import environ_of, managers
from tests.ports import MANAGER
from tests.rollover import BAD, GOOD, failing_onnx, run_of, slow_onnx, validated
from tests.unit.autoscale.test_derive_and_choose import cell

ROOT = Path(__file__).parents[2]


class Platform:
    """A manager that can be killed and started again on the same home."""

    def __init__(self, home: Path) -> None:
        self.home, self._port = home, MANAGER
        self._environ = environ_of(home)
        self._running: Any = None
        self.api = self._start()

    def _start(self) -> ManagerAPI:
        self._running = managers(self._environ, port=self._port)
        api: ManagerAPI = self._running.__enter__()[0]
        self._port = int(api.url.rpartition(":")[2])  # the next one where it was taken: its clients stay there
        return api

    def kill(self) -> None:
        """The manager is killed outright, and another one goes on; the same address, the same servers."""
        manager = psutil.Process(self.api.health()["pid"])
        manager.kill()
        manager.wait(60)
        self.close()
        self.api = self._start()

    def close(self) -> None:
        self._running.__exit__(None, None, None)

    def client(self) -> InferenceClient:
        settings = Settings.read(self._environ)
        return InferenceClient(settings.manager_url, token=settings.token)

    def bring(self, run_id: str, say: Callable[[str], None] = print, **manifest: Any) -> dict[str, Any]:
        """A version that was validated and promoted as a run of its own."""
        run = run_of(self.api, run_id, say)
        version = validated(self.api, self.home, run, **manifest)
        promote(run, version["model_id"], version["policy"], expect_production=version["production"])
        push_autoscaling(run, version["model"], version["policy"])
        return version

    def servers(self, version: dict[str, Any]) -> set[int]:
        """The processes that are ready for a version."""
        try:
            found = self.api.deployment(version["model_id"])
        except NotDeployed:
            return set()
        return {replica["pid"] for replica in found["replicas"] if replica["state"] == "ready"}

    def production(self, model: str) -> int | None:
        found: int | None = self.api.model(model)["stages"]["local"]["production"]
        return found

    def watch_evidence(self, version: dict[str, Any]) -> list[dict[str, Any]]:
        return [found["document"] for found in self.api.evidence(version["model_id"], "Watch")]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    found = Platform(tmp_path_factory.mktemp("home"))
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def two(platform: Platform) -> tuple[dict[str, Any], dict[str, Any]]:
    """`two`@1 was in Production, @2 is; nobody watches, so that only the tests move them."""
    unwatched = {"watch_s": 0.0}
    return platform.bring("two-1", name="two", rollover=unwatched), platform.bring(
        "two-2", name="two", rollover=unwatched
    )


def back_to_first(platform: Platform, two: tuple[dict[str, Any], dict[str, Any]], name: str) -> None:
    if platform.production("two") == 2:
        roll_back(run_of(platform.api, name), "two", "the next test starts at @1")
    wait_until(lambda: not platform.servers(two[1]), Deadline.after(60), "the servers of two@2 are gone")


def test_a_promotion_measures_that_new_replicas_are_warm_and_keeps_the_figures(platform: Platform) -> None:
    said: list[str] = []
    version = platform.bring("warm-1", said.append, name="warm")
    before = next(e["document"] for e in platform.api.evidence(version["model_id"], "Promote") if e["key"] == "before")
    (replica,) = before["warmth"]
    last, former = replica["rounds"][-1]["p99_ms"], replica["rounds"][-2]["p99_ms"]
    assert max(last, former) / min(last, former) <= 1.5
    assert before["sentence"] in said
    move = next(line for line in said if "is Production (ledger entry 2)" in line)
    assert said.index(before["sentence"]) < said.index(move), "before the ledger moves"


def test_the_version_before_stays_warm_and_a_rollback_starts_nothing(
    platform: Platform, two: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    first, second = two
    kept = platform.api.deployment(first["model_id"])
    assert kept["kept_warm_until_ms"] > platform.api.ledger("two")[-1]["at_ms"] + 800_000
    servers = platform.servers(first)
    assert len(servers) == 1
    platform.kill()
    assert platform.servers(first) == servers, "another manager keeps them as well"
    with platform.client() as client:
        assert client.infer("two", x=GOOD).version == 2
        run = run_of(platform.api, "back-once")
        done = roll_back(run, "two", "a test of going back")
        assert (done["version"], done["replaced"]) == (1, 2)
        assert platform.servers(first) == servers
        assert wait_until(lambda: client.infer("two", x=GOOD).version == 1, Deadline.after(30), "the client has moved")
    entry = platform.api.ledger("two")[-1]
    assert (entry["who"], entry["why"]) == ("a test", "rollback: a test of going back")
    assert platform.api.policy("two")["version"] == 1
    assert platform.api.deployment(first["model_id"])["kept_warm_until_ms"] is None

    assert roll_back(run, "two", "a test of going back") == done, "the same run does not go further back"
    with pytest.raises(NoSuchVersion, match="nothing to roll back to"):
        roll_back(run_of(platform.api, "back-twice"), "two", "what was left is no way back")
    wait_until(lambda: not platform.servers(second), Deadline.after(60), "what was rolled back is not kept")


def test_a_rollback_without_warm_servers_starts_them_first(platform: Platform) -> None:
    none = {"watch_s": 0.0, "keep_warm_s": 0.0}
    first = platform.bring("cold-1", name="cold", rollover=none)
    said: list[str] = []
    platform.bring("cold-2", said.append, name="cold", rollover=none)
    assert platform.servers(first) == set()
    assert any("its servers have drained and are gone" in line for line in said), said
    with platform.client() as client, calling(client, "cold") as failed:
        roll_back(run_of(platform.api, "cold-back"), "cold", "a test")
        assert len(platform.servers(first)) == 1
        wait_until(lambda: client.infer("cold", x=GOOD).version == 1, Deadline.after(30), "the client has moved")
    assert failed == []


@contextmanager
def calling(client: InferenceClient, model: str) -> Iterator[list[str]]:
    """Calls go on inside, by a client that has heard where the servers are; yields what failed."""
    client.infer(model, x=GOOD)
    failed: list[str] = []
    stop = threading.Event()

    def calls() -> None:
        while not stop.wait(0.02):
            try:
                client.infer(model, x=GOOD)
            except SeatrialError as error:
                failed.append(str(error))

    thread = threading.Thread(target=calls)
    thread.start()
    try:
        yield failed
    finally:
        stop.set()
        thread.join()


UNMOVED = [
    ("want_deployment", 1, "after"),
    ("deployment", 1, "after"),
    ("deployment", 2, "after"),
    ("add_evidence", 1, "after"),
    ("move_stage", 1, "before"),
]
MOVED = [
    ("move_stage", 1, "after"),
    ("add_evidence", 2, "before"),
    ("add_evidence", 2, "after"),
    ("model_version", 2, "before"),
]


@pytest.mark.parametrize(("call", "nth", "when"), [*UNMOVED, *MOVED])
def test_a_promotion_killed_at_any_call_is_completed_by_the_next_try(
    platform: Platform, two: tuple[dict[str, Any], dict[str, Any]], call: str, nth: int, when: str
) -> None:
    first, second = two
    name = f"killed-{call}-{nth}-{when}"
    back_to_first(platform, two, f"to-start-{name}")
    servers, entries = platform.servers(first), len(platform.api.ledger("two"))
    with platform.client() as client, calling(client, "two") as failed:
        assert _dying(platform, second, name, call, nth, when) == -signal.SIGKILL
        moved = len(platform.api.ledger("two")) - entries
        assert moved == ((call, nth, when) in MOVED)
        assert platform.servers(first) == servers, "the old servers are not disturbed"
        for _ in range(2):
            done = promote(run_of(platform.api, name), second["model_id"], second["policy"], expect_production=1)
            assert (done["move"], done["displaced"]) == (entries + 1, 1)
        assert len(platform.api.ledger("two")) == entries + 1
        wait_until(lambda: client.infer("two", x=GOOD).version == 2, Deadline.after(30), "the client has moved")
    assert failed == []


def _dying(platform: Platform, version: dict[str, Any], name: str, call: str, nth: int, when: str) -> int:
    """The promotion in a process that kills itself before or after its nth call of that name; its exit status."""
    program = """
import os, signal, sys, json
from seatrial.client.manager_api import ManagerAPI
from seatrial.steps.promote import promote
from tests.rollover import run_of
url, token, name, model_id, policy, call, nth, when = sys.argv[1:]
api, seen, real = ManagerAPI(url, token), 0, getattr(ManagerAPI, call)
def dying(*args, **kwargs):
    global seen
    seen += 1
    if seen == int(nth) and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = real(api, *args, **kwargs)
    if seen == int(nth):
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
setattr(api, call, dying)
promote(run_of(api, name), int(model_id), json.loads(policy), expect_production=1)
"""

    settings = Settings.read(environ_of(platform.home))
    arguments = [platform.api.url, settings.token or "", name, str(version["model_id"]), json.dumps(version["policy"])]
    command = [sys.executable, "-c", program, *arguments, call, str(nth), when]
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'include'}:{ROOT}"}
    return subprocess.run(command, env=env, timeout=180, check=False).returncode


@pytest.mark.parametrize(
    ("method", "path", "when"),
    [
        ("PUT", "/deployment", "before"),
        ("PUT", "/deployment", "after"),
        ("POST", "/stage-moves", "before"),
        ("POST", "/stage-moves", "after"),
        ("POST", "/evidence", "after"),
    ],
)
def test_a_promotion_under_which_the_manager_is_killed_is_completed_by_the_next_try(
    platform: Platform, two: tuple[dict[str, Any], dict[str, Any]], method: str, path: str, when: str
) -> None:
    _, second = two
    name = f"manager-{method}-{path[1:]}-{when}"
    back_to_first(platform, two, f"to-start-{name}")
    entries = len(platform.api.ledger("two"))
    with platform.client() as client, calling(client, "two") as failed:
        with _Killing(platform, method, path, when) as api, suppress(ManagerUnavailable):
            promote(run_of(api, name), second["model_id"], second["policy"], expect_production=1)
        done = promote(run_of(platform.api, name), second["model_id"], second["policy"], expect_production=1)
        assert (done["move"], done["displaced"]) == (entries + 1, 1)
        assert len(platform.api.ledger("two")) == entries + 1
        wait_until(lambda: client.infer("two", x=GOOD).version == 2, Deadline.after(30), "the client has moved")
    assert failed == []
    assert len(platform.servers(second)) == 1


class _Killing(ManagerAPI):
    """Kills the manager before, or after, the first call of that method and path, and starts another one."""

    def __init__(self, platform: Platform, method: str, path: str, when: str) -> None:
        settings = Settings.read(environ_of(platform.home))
        super().__init__(settings.manager_url, settings.token)
        self._platform, self._point, self._when = platform, (method, path), when
        self._killed = False

    def _send(self, method: str, path: str, **content: Any) -> Any:
        here = (method, path[path.rfind("/") :]) == self._point and not self._killed
        if here and self._when == "before":
            self._killed = True
            self._platform.kill()
        answer = super()._send(method, path, **content)
        if here and self._when == "after":
            self._killed = True
            self._platform.kill()
        return answer


def test_a_promotion_that_was_taken_back_is_not_made_again_by_its_own_retry(
    platform: Platform, two: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    _, second = two
    back_to_first(platform, two, "to-start-taken-back")
    run = run_of(platform.api, "taken-back")
    promote(run, second["model_id"], second["policy"], expect_production=1)
    roll_back(run_of(platform.api, "takes-back"), "two", "a person knows better")
    with pytest.raises(Conflict, match="taken back since"):
        promote(run, second["model_id"], second["policy"], expect_production=1)
    assert platform.production("two") == 1


class Traffic:
    """A call every so many seconds, with the inputs by turns; by default every fourth is one that @2 cannot compute."""

    def __init__(
        self,
        client: InferenceClient,
        model: str,
        *,
        inputs: Sequence[Any] = (GOOD, GOOD, GOOD, BAD),
        every_s: float = 0.1,
    ) -> None:
        self._client, self._model, self._inputs, self._every_s = client, model, cycle(inputs), every_s
        self.answered: list[int] = []
        self.failed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                found = self._client.infer(self._model, x=next(self._inputs))
            except SeatrialError:
                self.failed += 1
            else:
                self.answered.append(found.version)


def test_under_load_a_promotion_and_a_rollback_start_the_replicas_that_it_needs(platform: Platform) -> None:
    versions = []
    for run_id in ("loaded-1", "loaded-2"):
        run = run_of(platform.api, run_id)
        version = validated(platform.api, platform.home, run, name="loaded", rollover={"watch_s": 0.0})
        versions.append({**version, "policy": {**version["policy"], "target_per_replica": 8.0, "max_replicas": 3}})
        if run_id == "loaded-1":
            promote(run, version["model_id"], versions[0]["policy"], expect_production=None)
            push_autoscaling(run, "loaded", versions[0]["policy"])
    first, second = versions
    assert len(platform.servers(first)) == 1, "nothing called it yet"

    with platform.client() as client, Traffic(client, "loaded", inputs=(GOOD,), every_s=0.05) as traffic:
        wait_until(lambda: load_on(platform, first) > 9, Deadline.after(60), "the load is known")
        measured = cell(lam=6.0).model_copy(update={"model": "loaded", "model_id": second["model_id"]})
        assert policy_from(run_of(platform.api, "chooses"), measured).max_replicas >= 3, "no load was stated, but seen"
        promote(run, second["model_id"], second["policy"], expect_production=1)
        started = platform.servers(second)
        wait_until(lambda: load_on(platform, second) > 9, Deadline.after(60), "the load is known at all replicas")
        roll_back(run_of(platform.api, "loaded-back"), "loaded", "a test")
        assert len(platform.servers(first)) >= 2, "one was kept warm, and the load needs more"
    assert traffic.failed == 0
    (moved,) = (e["document"] for e in platform.api.evidence(second["model_id"], "Promote") if e["key"] == "move")
    assert 2 <= len(started) == moved["replicas"]
    assert "requests/s that arrive now, at 8 a replica" in moved["sentence"]


def test_a_repeated_promotion_takes_no_replica_away(platform: Platform) -> None:
    version = platform.bring("scaled-1", name="scaled", rollover={"watch_s": 0.0})
    platform.api.want_deployment(version["model_id"], option=version["policy"]["option"], replicas=2)
    wait_until(lambda: len(platform.servers(version)) == 2, Deadline.after(60), "an operator has scaled it")
    promote(run_of(platform.api, "scaled-1"), version["model_id"], version["policy"], expect_production=None)
    assert platform.api.deployment(version["model_id"])["spec"]["replicas"] == 2


def load_on(platform: Platform, version: dict[str, Any]) -> float:
    found: float | None = platform.api.deployment(version["model_id"])["requests_per_s"]
    return found or 0.0


def test_a_version_that_starts_to_fail_is_rolled_back_and_says_why(platform: Platform) -> None:
    platform.bring("good-1", name="watched")
    failing = platform.bring("failing-2", name="watched", model=failing_onnx)
    assert platform.production("watched") == 2
    platform.kill()  # what is watched follows from the ledger and the evidence
    with platform.client() as client, Traffic(client, "watched") as traffic:
        wait_until(lambda: platform.production("watched") == 1, Deadline.after(120), "the watch goes back")
        assert traffic.failed >= 5

        def moved() -> bool:
            with suppress(ServerFailed):  # by @2, until the client has heard
                return client.infer("watched", x=BAD).version == 1
            return False

        wait_until(moved, Deadline.after(30), "the client has moved")
        failed, answered = traffic.failed, len(traffic.answered)
        wait_until(lambda: len(traffic.answered) >= answered + 20, Deadline.after(60), "twenty more answers")
        assert traffic.failed <= failed + 1, "clients recover"
    entry = platform.api.ledger("watched")[-1]
    assert (entry["who"], entry["version"], entry["displaced"]) == ("watch", 1, 2)
    assert "rollback: watch: " in entry["why"]
    assert "requests failed, limit 0.10% = 0.00% of @1 (0 of " in entry["why"]
    (evidence,) = platform.watch_evidence(failing)
    assert (evidence["verdict"], evidence["entry"]) == ("FAIL", entry["seq"] - 1)
    assert evidence["sentence"] in entry["why"]


def test_a_version_that_turns_slow_is_rolled_back_after_the_minute_that_proves_it(platform: Platform) -> None:
    objective = {"latency_ms": 30.0}
    platform.bring("fast-1", name="slows", objective=objective)
    slow = platform.bring("slow-2", name="slows", objective=objective, model=slow_onnx)
    with platform.client() as client, Traffic(client, "slows", inputs=(BAD, BAD, BAD, GOOD), every_s=0.2) as traffic:
        wait_until(lambda: platform.production("slows") == 1, Deadline.after(200), "the watch goes back")
        assert traffic.failed == 0
    (evidence,) = platform.watch_evidence(slow)
    assert evidence["sentence"].startswith("at least 4")
    assert "were later than 30 ms, limit 1.0%" in evidence["sentence"]
    assert platform.api.ledger("slows")[-1]["who"] == "watch"


def test_what_was_rolled_back_to_is_not_watched_into_another_rollback(platform: Platform) -> None:
    """Goes on where the test before it ended: the calls that @2 could not compute fail at @1 too."""
    platform.bring("failing-only", name="flaps", model=failing_onnx, rollover={"watch_s": 0.0})
    platform.bring("failing-too", name="flaps", model=failing_onnx, tags={"x": "y"})
    with platform.client() as client, Traffic(client, "flaps") as traffic:
        wait_until(lambda: platform.production("flaps") == 1, Deadline.after(120), "the watch goes back")
        failed = traffic.failed
        wait_until(lambda: traffic.failed > failed + 15, Deadline.after(120), "@1 fails as much")
    assert [move["who"] for move in platform.api.ledger("flaps")].count("watch") == 1
    assert platform.production("flaps") == 1


def test_a_first_version_that_fails_stays_with_the_reason_as_evidence(platform: Platform) -> None:
    only = platform.bring("only-1", name="alone", model=failing_onnx)
    with platform.client() as client, Traffic(client, "alone"):
        wait_until(lambda: platform.watch_evidence(only), Deadline.after(120), "the watch says so")
    assert platform.watch_evidence(only)[0]["verdict"] == "FAIL"
    assert platform.production("alone") == 1
    assert len(platform.api.ledger("alone")) == 2


def test_a_healthy_version_stays_and_its_watch_ends_with_the_numbers(platform: Platform) -> None:
    platform.bring("healthy-1", name="healthy", rollover={"watch_s": 0.0})
    healthy = platform.bring("healthy-2", name="healthy", rollover={"watch_s": 12.0})
    with platform.client() as client, Traffic(client, "healthy", inputs=(GOOD,)) as traffic:
        wait_until(lambda: platform.watch_evidence(healthy), Deadline.after(60), "the watch ends")
    (evidence,) = platform.watch_evidence(healthy)
    assert evidence["verdict"] == "PASS"
    assert evidence["sentence"].startswith(f"0 of {evidence['seen']['requests']} requests failed, limit 0.10%")
    assert evidence["seen"]["requests"] > 50
    assert traffic.failed == 0
    assert platform.production("healthy") == 2
