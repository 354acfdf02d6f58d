"""MLflow's own registry on SQLite: fill, register, stage and alias move, look-up. Run by .venv-mlflow.

`python registry_mlflow.py FOLDER MODELS VERSIONS REPETITIONS`; the last line is one JSON object.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path


def main() -> None:
    folder, models, versions, repetitions = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    warnings.simplefilter("ignore")  # stages are deprecated there, and it says so at each call
    import mlflow

    address = f"sqlite:///{folder / 'mlflow.db'}"
    client = mlflow.MlflowClient(tracking_uri=address, registry_uri=address)
    began = time.perf_counter()
    for number in range(models):
        client.create_registered_model(_name(number))
        for _ in range(versions):
            _register(client, _name(number))
        _aliases(client, _name(number), str(versions))
        if (number + 1) % max(1, models // 10) == 0:
            print(f"mlflow: {number + 1} of {models} models, {time.perf_counter() - began:.0f} s", flush=True)
    fill_s = time.perf_counter() - began
    chance = random.Random(1)
    names = [_name(chance.randrange(models)) for _ in range(repetitions)]
    found = {
        "lookup_alias": _timed(lambda name: client.get_model_version_by_alias(name, "champion"), names),
        "lookup_stage": _timed(lambda name: client.get_latest_versions(name, ["Production"]), names),
        "list_page": _timed(lambda _: client.search_registered_models(max_results=50), names[:50]),
        "register": _timed(lambda name: _register(client, name), names),
        "alias_move": _timed(lambda name: client.set_registered_model_alias(name, "champion", "1"), names),
        "stage_move": _timed(
            lambda name: client.transition_model_version_stage(name, "1", "Production", archive_existing_versions=True),
            names,
        ),
    }
    print(json.dumps({"version": mlflow.__version__, "fill_per_s": round(models * versions / fill_s, 1), **found}))


def _register(client: object, name: str) -> None:
    client.create_model_version(  # type: ignore[attr-defined]
        name,
        source="/models/nowhere",
        tags={f"tag-{i}": f"value-{i}" for i in range(8)},
        description="Pitch of notes from raw audio, trained on the studio recordings of the last quarter. " * 4,
    )


def _aliases(client: object, name: str, version: str) -> None:
    client.set_registered_model_alias(name, "champion", version)  # type: ignore[attr-defined]
    client.transition_model_version_stage(name, version, "Production")  # type: ignore[attr-defined]


def _timed(call: Callable[[str], object], names: list[str]) -> dict[str, float]:
    seconds = []
    for name in names:
        began = time.perf_counter()
        call(name)
        seconds.append((time.perf_counter() - began) * 1000)
    counted = sorted(seconds[3:])
    p99 = statistics.quantiles(counted, n=100, method="inclusive")[98]
    return {"median_ms": round(statistics.median(counted), 3), "p99_ms": round(p99, 3), "repetitions": len(counted)}


def _name(number: int) -> str:
    return f"model-{number:04d}"


if __name__ == "__main__":
    main()
