"""A model that passes every check and fails on some requests, and a promotion's policy: for tests of roll-overs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.client.manager_api import ManagerAPI
from seatrial.steps.check_format import check_format
from seatrial.steps.deploy import deploy_to_staging
from seatrial.steps.register import register
from seatrial.steps.run import Run
from seatrial.steps.shadow_validate import shadow_validate
from seatrial.waiting import Deadline
from tests.models import TINY_WIDTH, tiny_onnx, write_upload
from tests.storages import upload_in

GOOD = np.ones((1, TINY_WIDTH), np.float32)
BAD = np.full((1, TINY_WIDTH), 200.0, np.float32)
"""What the model of `failing_onnx` cannot compute, and the one of `tiny_onnx` can."""

COMPARISON = {
    "comparison_class": "same-graph-fp32",
    "latency_ratio": 100.0,
    "min_requests": 20,
    "production_share": 1.0,
}


def failing_onnx(path: Path, scale: float = 2.0) -> Path:
    """Write y = x · scale that fails where an element is above 100: there it looks for a factor that is not there."""
    import onnx
    from onnx import TensorProto, helper

    axes = ["batch", TINY_WIDTH]
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["highest"], keepdims=0),
        helper.make_node("Greater", ["highest", "limit"], ["above"]),
        helper.make_node("Cast", ["above"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["factors", "index"], ["factor"]),
        helper.make_node("Mul", ["x", "factor"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "failing",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, axes)],
        [
            helper.make_tensor("limit", TensorProto.FLOAT, [], [100.0]),
            helper.make_tensor("factors", TensorProto.FLOAT, [1], [scale]),
        ],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def slow_onnx(path: Path, scale: float = 2.0) -> Path:
    """Write y = x · scale that takes the longer the higher x is: it multiplies matrices as often as x says."""
    import onnx
    from onnx import TensorProto, helper

    axes, size = ["batch", TINY_WIDTH], 320
    square = helper.make_tensor_value_info("m_in", TensorProto.FLOAT, [size, size])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_in"], ["go_out"]),
            helper.make_node("MatMul", ["m_in", "unit"], ["m_out"]),
        ],
        "again",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_in", TensorProto.BOOL, []),
            square,
        ],
        [
            helper.make_tensor_value_info("go_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("m_out", TensorProto.FLOAT, [size, size]),
        ],
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["highest"], keepdims=0),
        helper.make_node("Cast", ["highest"], ["turns"], to=TensorProto.INT64),
        helper.make_node("Loop", ["turns", "", "unit"], ["m"], body=body),
        helper.make_node("ReduceMax", ["m"], ["one"], keepdims=0),
        helper.make_node("Mul", ["x", "factor"], ["scaled"]),
        helper.make_node("Mul", ["scaled", "one"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, axes)],
        [
            helper.make_tensor("unit", TensorProto.FLOAT, [size, size], np.eye(size, dtype=np.float32).ravel()),
            helper.make_tensor("factor", TensorProto.FLOAT, [1], [scale]),
        ],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def run_of(api: ManagerAPI, name: str, say: Callable[[str], None] = print) -> Run:
    return Run(api=api, id=name, who="a test", deadline=Deadline.after(180), progress=say)


def registered(home: Path, run: Run, **upload: Any) -> dict[str, Any]:
    """A version of an upload of the run's own, checked; `upload` as of `write_upload`."""
    folder = write_upload(home / "uploads" / run.id, description=run.id, **upload)
    return register(run, upload_in(folder), check_format(run, upload_in(folder)))


def validated(
    api: ManagerAPI, home: Path, run: Run, *, model: Callable[[Path], Path] = tiny_onnx, **manifest: Any
) -> dict[str, Any]:
    """A version of `tiny` in Staging with the verdict PASS, and the policy that a promotion asks for beside it."""
    model(home / "uploads" / run.id / "model.onnx")
    version = registered(home, run, model=False, comparison=COMPARISON, **manifest)
    deploy_to_staging(run, version["model_id"])
    verdict = shadow_validate(run, version["model_id"])
    assert verdict["verdict"] == "PASS", verdict
    policy = policy_of(api, version)
    api.add_evidence(version["model_id"], "ChooseHardware", "choice", run.id, {"policy": policy})
    return {**version, "policy": policy, "production": verdict["production"]}


def policy_of(api: ManagerAPI, version: dict[str, Any]) -> dict[str, Any]:
    return policy_document(version["model"], version["version"], version["model_id"], one_core(api))


def one_core(api: ManagerAPI) -> dict[str, Any]:
    """The hardware option of one core and one thread."""
    found: dict[str, Any] = next(option for option in api.health()["options"] if option["name"] == "cpu-1x1")
    return found


def policy_document(model: str, version: int, model_id: int, option: dict[str, Any]) -> dict[str, Any]:
    """As if 1000 requests/s had been measured: what was measured is not what these tests are about."""
    return {
        "model": model,
        "version": version,
        "model_id": model_id,
        "environment": "local",
        "option": option,
        "cell": "a test",
        "lambda_max": 1000.0,
        "mu": 1200.0,
        "ratio": 0.8,
        "ratio_factors": {},
        "target_per_replica": 800.0,
        "min_replicas": 1,
        "max_replicas": 1,
        "scale_down_window_s": 300.0,
        "derived_at_ms": 0,
        "explanation": "a test",
    }
