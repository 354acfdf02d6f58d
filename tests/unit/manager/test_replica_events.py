"""From the records of servers to counts: each start, restart and failure once, whatever is told twice."""

from __future__ import annotations

from typing import Any

from seatrial.hardware import HardwareOption
from seatrial.manager.metrics import Metrics
from seatrial.manager.replica_events import ReplicaEvents
from seatrial.serving.ports import Ports
from seatrial.serving.record import ServerRecord
from tests.running import SERVED

LAUNCHED: dict[str, Any] = {"launched": 1.0}
READY: dict[str, Any] = {**LAUNCHED, "started_in_s": 0.5}
FAILED: dict[str, Any] = {"error": "it ended"}


def record(name: str, owner: str | None = "7-local", **facts: Any) -> ServerRecord:
    return ServerRecord(
        id=name,
        purpose="a test",
        owner=owner,
        served=SERVED,
        option=HardwareOption(name="cpu-1x1"),
        core_set=(0,),
        ports=Ports(http=1, grpc=2, metrics=3),
        **facts,
    )


class Counted:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.events = ReplicaEvents(self.metrics)

    def after(self, *records: ServerRecord) -> dict[str, float]:
        for told in records:
            self.events.told(told)
        return self.counts()

    def counts(self) -> dict[str, float]:
        """Those that are not 0, by name and the labels that matter here."""
        found = {}
        for family in self.metrics.registry.collect():
            for sample in family.samples:
                name = sample.name.removeprefix("seatrial_replica_").removesuffix("_total")
                if sample.name.startswith("seatrial_replica_") and name.endswith(("s", "count")) and sample.value:
                    found[" ".join([name, *(sample.labels[key] for key in ("phase",) if key in sample.labels)])] = (
                        sample.value
                    )
        return found


def test_a_start_is_counted_once_however_often_it_is_told() -> None:
    asked, starting, ready = record("a"), record("a", **LAUNCHED), record("a", **READY)
    assert Counted().after(asked) == {}
    assert Counted().after(asked, starting, starting, ready, ready) == {"starts": 1, "start_seconds_count": 1}


def test_a_failure_is_told_apart_by_whether_it_had_been_ready() -> None:
    failed = record("a", **LAUNCHED, **FAILED)
    assert Counted().after(record("a", **LAUNCHED), failed, failed) == {"starts": 1, "failures starting": 1}
    served = Counted().after(record("a", **LAUNCHED), record("a", **READY), record("a", **READY, **FAILED))
    assert served["failures serving"] == 1


def test_a_restart_is_a_start_in_the_place_of_one_that_failed_and_no_other() -> None:
    counted = Counted()
    counted.after(record("a", **LAUNCHED), record("b", **LAUNCHED))
    assert "restarts" not in counted.counts()
    counted.after(record("a", **LAUNCHED, **FAILED), record("c", **LAUNCHED), record("d", **LAUNCHED))
    assert counted.counts()["restarts"] == 1
    assert "restarts" in counted.after(record("x", owner="8-local", **LAUNCHED))


def test_a_trial_server_is_never_restarted() -> None:
    trial = {"owner": None, **LAUNCHED}
    assert "restarts" not in Counted().after(record("a", **trial), record("a", **trial, **FAILED), record("b", **trial))


def test_a_server_that_was_adopted_counts_no_start_but_its_failure() -> None:
    assert Counted().after(record("a", **READY)) == {}
    assert Counted().after(record("a", **READY), record("a", **READY, **FAILED)) == {"failures serving": 1}


def test_a_server_that_is_gone_takes_no_memory() -> None:
    counted = Counted()
    counted.after(record("a", **READY))
    counted.events.forget_all_but({})
    assert counted.events._states == {}
