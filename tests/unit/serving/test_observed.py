"""A deployment is ready by its fitting servers alone, and only ready servers are endpoints."""

from __future__ import annotations

import pytest

from seatrial.hardware import HardwareOption
from seatrial.serving.desired import Wanted
from seatrial.serving.observed import Endpoint, endpoints, observed
from seatrial.serving.record import ServerRecord
from seatrial.serving.rollout import FAILURES_LIMIT, Failures
from seatrial.serving.spec import DeploymentSpec, Replica
from tests.records import SERVED, STARTING

ONE = HardwareOption.model_validate({"name": "cpu-1", "cores": 1})
READY = STARTING.model_copy(update={"started_in_s": 1.0})
OTHER = READY.model_copy(update={"option": ONE})
DRAINING = READY.model_copy(update={"drain_until": 5.0})
WANTED = Wanted(spec=DeploymentSpec(model_id=1, served=SERVED, option=STARTING.option, replicas=2), wanted_at_ms=0)
FAILED = Replica(id="b", state="failed", error="it ended")


@pytest.mark.parametrize(
    ("records", "failures", "dropped", "state"),
    [
        ([READY, READY], 0, False, "ready"),
        ([READY, READY, OTHER], FAILURES_LIMIT, False, "ready"),
        ([READY, STARTING], 0, False, "starting"),
        ([READY, OTHER], 0, False, "starting"),
        ([READY, DRAINING], 0, False, "starting"),
        ([READY], FAILURES_LIMIT - 1, False, "starting"),
        ([READY], FAILURES_LIMIT, False, "failed"),
        ([READY, READY], 0, True, "draining"),
    ],
)
def test_the_state_of_a_deployment(records: list[ServerRecord], failures: int, dropped: bool, state: str) -> None:
    wanted = WANTED.model_copy(update={"dropped": dropped})
    found = observed(wanted, records, Failures(failures), FAILED if failures else None, None)
    assert found.state == state
    assert [replica.id for replica in found.replicas] == ["a"] * len(records) + ["b"] * (state == "failed")
    assert (found.error is not None) == (state == "failed")


def test_only_ready_servers_are_endpoints_each_with_its_own_option_s_weight() -> None:
    found = endpoints([READY, OTHER, STARTING, DRAINING])
    assert found == (Endpoint("127.0.0.1:2", 2.0), Endpoint("127.0.0.1:2", 1.0))
