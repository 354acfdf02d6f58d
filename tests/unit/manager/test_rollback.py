"""With how many replicas a former version comes back: never fewer than it had, nor than the present load needs."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.manager.rollback import replicas_to_restore
from seatrial.serving.spec import Deployment
from tests.unit.autoscale.test_replicas import policy


def deployment(replicas: int, option: str = "cpu-1x1", **of: Any) -> Deployment:
    served = {"name": "pitch", "version": 1, "format": "onnx", "main_file": "model.onnx", "files": {}}
    spec = {
        "model_id": 7,
        "served": {**served, "signature": {"inputs": [], "outputs": []}},
        "option": {"name": option},
        "replicas": replicas,
    }
    return Deployment.model_validate({"spec": spec, "wanted_at_ms": 0, "state": "ready", **of})


@pytest.mark.parametrize(
    ("found", "present", "replicas"),
    [
        (deployment(2), deployment(1, requests_per_s=5.0), 2),
        (deployment(2), deployment(1, requests_per_s=45.0), 5),
        (deployment(2), deployment(4), 2),
        (None, deployment(4), 4),
        (None, deployment(4, requests_per_s=15.0), 2),
        (deployment(6, option="cpu-2x2"), deployment(4), 4),
        (None, None, 1),
    ],
    ids=[
        "what it had is never cut",
        "the load has grown",
        "the load is not known: what it had",
        "nothing of it is left: as many as serve now",
        "nothing of it is left: what the load needs",
        "what it had on other hardware says nothing",
        "nothing serves",
    ],
)
def test_replicas_to_restore(found: Deployment | None, present: Deployment | None, replicas: int) -> None:
    assert replicas_to_restore(policy(target=10.0), found, present) == replicas
