"""Scripts of `tests/standins` that a real MLflow runs, in the environment that `make .venv-mlflow/.ready` makes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
MLFLOW = ROOT / ".venv-mlflow" / "bin" / "python"
EXAMPLES = Path(os.environ.get("SEATRIAL_EXAMPLES", ROOT / ".seatrial" / "examples"))
SAVED_MODEL = EXAMPLES / "basic_pitch" / "saved_models" / "icassp_2022" / "nmp"


def run_mlflow(script: str, folder: Path, *arguments: str | Path) -> None:
    """Run `script` with `folder` as its working folder. Its log is shown when it fails."""
    environ = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true", "PYTHONPATH": str(ROOT)}
    command = [MLFLOW, ROOT / "tests" / "standins" / script, *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
