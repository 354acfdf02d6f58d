"""Logs to a real MLflow, from its own environment: `PYTHON mlflow_models.py TRACKING_ADDRESS`.

"Tiny Net": two ONNX versions (champion, challenger) with metric, parameter, tags and input example. "echo": a pyfunc.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import mlflow
import numpy as np
from onnx import TensorProto, helper


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return model_input


def main() -> None:
    warnings.simplefilter("ignore")
    mlflow.set_tracking_uri(sys.argv[1])
    for scale in (2.0, 3.0):
        with mlflow.start_run():
            mlflow.log_metric("f1", scale / 4)
            mlflow.log_param("layers", 4)
            mlflow.set_tag("team", "audio")
            mlflow.onnx.log_model(
                net(scale),
                name="model",
                input_example={"x": np.ones((1, 4), np.float32)},
                registered_model_name="Tiny Net",
                pip_requirements=[],  # else it loads the model again to find them out
            )
    with mlflow.start_run():
        mlflow.pyfunc.log_model(name="model", python_model=Echo(), registered_model_name="echo", pip_requirements=[])
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("Tiny Net", "champion", "1")
    client.set_registered_model_alias("Tiny Net", "challenger", "2")
    client.set_model_version_tag("Tiny Net", "2", "note", "retrained")
    client.update_model_version("Tiny Net", "2", description="second")


def net(scale: float) -> Any:
    axes = ["batch", 4]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, axes)],
        [helper.make_tensor("w", TensorProto.FLOAT, [1], [scale])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


if __name__ == "__main__":
    main()
