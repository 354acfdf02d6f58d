"""Logs SavedModels to a real MLflow, from its own environment: `PYTHON mlflow_savedmodels.py ADDRESS SAVED_MODEL`.

There is no TensorFlow here to save one with; so `mlflow.tensorflow`'s three layouts are written around a SavedModel
that is there already, and logged by MLflow's own `Model.log`, as its flavors do. "Pitch" has one version of each: a
tf.Module (MLflow 2 and 3), Keras in TensorFlow's format (MLflow 2), an estimator (MLflow 1).
"""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.models import Model
from mlflow.models.utils import _save_example

LAYOUTS: list[tuple[str, dict[str, Any]]] = [
    ("tf2model", {"model_type": "tf2-module", "saved_model_dir": "tf2model"}),
    ("data/model", {"model_type": "keras", "data": "data", "save_format": "tf", "keras_version": "2.15.0"}),
    ("tfmodel", {"saved_model_dir": "tfmodel", "meta_graph_tags": ["serve"], "signature_def_key": "serving_default"}),
]


class Flavor:
    """What `Model.log` asks of a flavor's module."""

    @staticmethod
    def save_model(path: str, mlflow_model: Model, *, below: str, options: dict[str, Any], saved: str) -> None:
        Path(path).mkdir(parents=True, exist_ok=True)
        _save_example(mlflow_model, np.zeros((1, 43844, 1), np.float32), path)
        shutil.copytree(saved, Path(path) / below)
        if "data" in options:
            (Path(path) / options["data"] / "keras_module.txt").write_text("tensorflow.keras")
        mlflow_model.add_flavor("tensorflow", code=None, **options)
        mlflow.pyfunc.add_to_model(mlflow_model, loader_module="mlflow.tensorflow", python_env="python_env.yaml")
        mlflow_model.save(str(Path(path) / "MLmodel"))
        (Path(path) / "requirements.txt").write_text("tensorflow==2.15.0\n")


def main() -> None:
    warnings.simplefilter("ignore")
    mlflow.set_tracking_uri(sys.argv[1])
    for below, options in LAYOUTS:
        with mlflow.start_run():
            Model.log(None, Flavor, "Pitch", name="model", below=below, options=options, saved=sys.argv[2])
    mlflow.MlflowClient().set_registered_model_alias("Pitch", "champion", "1")


if __name__ == "__main__":
    main()
