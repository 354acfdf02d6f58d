"""How long deployments take: each wish once, from its own moment, and nothing that an earlier manager began."""

from __future__ import annotations

from typing import Any

from seatrial.hardware import HardwareOption
from seatrial.manager.metrics import Metrics
from seatrial.manager.rollovers import Rollovers
from seatrial.registry.entities import StageMove
from seatrial.serving.spec import Deployment, DeploymentSpec
from tests.running import SERVED

BEGAN_MS = 1000


def deployment(state: Any, wanted_at_ms: int = 2000, environment: str = "local") -> Deployment:
    spec = DeploymentSpec(
        model_id=7, served=SERVED, option=HardwareOption(name="cpu-1x1"), replicas=1, environment=environment
    )
    return Deployment(spec=spec, wanted_at_ms=wanted_at_ms, state=state)


def move(to: Any, at_ms: int = 9000, environment: str = "local") -> StageMove:
    return StageMove(
        model=SERVED.name,
        seq=1,
        environment=environment,
        version=SERVED.version,
        from_stage="Staging",
        to_stage=to,
        displaced=None,
        at_ms=at_ms,
        who="a test",
        run="",
        why="",
    )


class Timed:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.rollovers = Rollovers(self.metrics, BEGAN_MS)

    def seconds(self, phase: str) -> list[float]:
        """How many, and their sum."""
        value = self.metrics.registry.get_sample_value
        parts = (value(f"seatrial_rollover_seconds_{part}", {"phase": phase}) for part in ("count", "sum"))
        return [part for part in parts if part is not None]


def test_a_wish_is_timed_once_from_its_own_moment() -> None:
    timed = Timed()
    for state, now_ms in (("starting", 2500), ("ready", 5000), ("starting", 6000), ("ready", 9000)):
        timed.rollovers.told([deployment(state)], now_ms)
    assert timed.seconds("ready") == [1, 3.0]
    timed.rollovers.told([deployment("ready", wanted_at_ms=10_000)], 11_000)
    assert timed.seconds("ready") == [2, 4.0]


def test_what_was_wanted_before_the_manager_began_is_not_timed() -> None:
    timed = Timed()
    timed.rollovers.told([deployment("ready", wanted_at_ms=BEGAN_MS)], 5000)
    timed.rollovers.moved(move("Production"), [deployment("ready", wanted_at_ms=BEGAN_MS)])
    assert timed.seconds("ready") == timed.seconds("moved") == []


def test_leaving_is_timed_from_the_first_time_it_is_seen_to_the_end_of_the_last_server() -> None:
    timed = Timed()
    for left, now_ms in (([deployment("draining")], 3000), ([deployment("draining")], 5000), ([], 7000), ([], 8000)):
        timed.rollovers.told(left, now_ms)
    assert timed.seconds("drained") == [1, 4.0]


def test_only_a_move_to_production_ends_a_roll_over_and_only_its_own() -> None:
    timed = Timed()
    timed.rollovers.moved(move("Staging"), [deployment("ready")])
    timed.rollovers.moved(move("Production", environment="other"), [deployment("ready")])
    assert timed.seconds("moved") == []
    timed.rollovers.moved(move("Production"), [deployment("ready", environment="other"), deployment("ready")])
    assert timed.seconds("moved") == [1, 7.0]
    counted = timed.metrics.registry.get_sample_value
    labels = {"model": SERVED.name, "environment": "local", "stage": "Production"}
    assert counted("seatrial_stage_moves_total", labels) == 1
