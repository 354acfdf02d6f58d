"""Model folders as a real MLflow writes them: `PYTHON mlflow_folders.py TO SAVED_MODEL`.

`tiny-net` is logged in a run and downloaded, as `mlflow artifacts download` does it; `silent` has no input example and
`table` one of columns. `pitch/<number>` are SavedModels in `mlflow.tensorflow`'s layouts (mlflow_savedmodels.py).
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import Model, infer_signature

from tests.standins.mlflow_models import net
from tests.standins.mlflow_savedmodels import LAYOUTS, Flavor

X = {"x": np.linspace(-1, 1, 4, dtype=np.float32).reshape(1, 4)}
SEATRIAL = {
    "objective": {"latency_ms": 200.0},
    "comparison": {
        "comparison_class": "same-graph-fp32",
        "latency_ratio": 100.0,
        "min_requests": 20,
        "production_share": 1.0,
    },
    "layers": {"audio": "x"},
    "metrics": {"f1": 0.5},
}


def main(to: Path, saved_model: str) -> None:
    warnings.simplefilter("ignore")
    _logged(to / "tiny-net")
    mlflow.onnx.save_model(net(2.0), to / "silent", pip_requirements=[])
    table = pd.DataFrame({"x": [1.0]})
    mlflow.onnx.save_model(net(2.0), to / "table", input_example=table, pip_requirements=[])
    for number, (below, options) in enumerate(LAYOUTS, 1):
        path = str(to / "pitch" / str(number))
        Flavor.save_model(path, Model(), below=below, options=options, saved=saved_model)


def _logged(folder: Path) -> None:
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    with mlflow.start_run():
        logged = mlflow.onnx.log_model(
            net(2.0),
            name="model",
            input_example=X,
            signature=infer_signature(X, {"y": X["x"].astype(np.float64)}),  # not what the file says
            metadata={"seatrial": SEATRIAL, "dataset": "maestro"},
            pip_requirements=[],
        )
    mlflow.artifacts.download_artifacts(artifact_uri=logged.model_uri, dst_path=str(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
