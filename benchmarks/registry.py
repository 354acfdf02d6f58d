"""The registry when it is full: `make bench-registry`, or `python -m benchmarks.registry --models 20 --versions 3`.

Fills a store through the Registry's own calls, each version with the evidence and the stage moves of a run that went
well; then times the library and a real `seatrial-manager` on that store, at a tenth of the models and at all of them.
Aims: p99 of a look-up by name and stage ≤ 10 ms, of registering and of a version's evidence ≤ 50 ms, of a page of 50
models ≤ 60 ms; manager ≤ 300 MB; medians above 5 ms at most twice those of the tenth. The last line is one JSON object;
`ok` says that all aims are met.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.registry_api import measure_manager
from benchmarks.registry_documents import draft, each_model_once, evidence, model_name
from benchmarks.timing import Timing, timed
from seatrial.registry.entities import ModelOverview, ModelVersion
from seatrial.registry.mlmd_overview import overviews
from seatrial.registry.mlmd_store import Registry
from seatrial.registry.paging import Order
from seatrial.registry.query import Filter
from seatrial.registry.rules import current
from seatrial.registry.search import find_models

P99_AIMS_MS = {"lookup": 10.0, "register": 50.0, "evidence": 50.0, "list_page": 60.0}
MEMORY_AIM_MB = 300.0
FLAT = 2.0  # median of the full store over the median of a tenth of it,
FROM_MS = 5.0  # for what takes that long at all: below, the machine's own noise is as large
WHOLE = ("list_models", "discovery")  # these answer something of every model: they grow with what they say
SEED = 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--repetitions", type=int, default=500, help="timed calls of each kind")
    parser.add_argument("--mlflow", metavar="PYTHON", help="an environment's Python with MLflow, measured beside")
    parser.add_argument("--keep", metavar="FOLDER", help="fill the stores here and leave them; filled ones are used")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as temporary:
        folder = Path(arguments.keep or temporary).absolute()
        sizes = {"small": max(1, arguments.models // 10), "full": arguments.models}
        found = {
            size: _measure(folder / f"{models}x{arguments.versions}", models, arguments)
            for size, models in sizes.items()
        }
        beside = _mlflow(arguments, Path(temporary)) if arguments.mlflow else None
    missed = misses(found)
    for miss in missed:
        print(f"missed: {miss}")
    print(json.dumps({**found, "mlflow": beside, "missed": missed, "ok": not missed}))
    return 1 if missed else 0


def misses(found: dict[str, dict[str, Any]]) -> list[str]:
    """The aims that the figures miss, one line each (pure)."""
    full, small = found["full"], found["small"]
    lines = []
    for where in ("library", "manager"):
        for what, limit in P99_AIMS_MS.items():
            p99 = full[where][what]["p99_ms"]
            if p99 > limit:
                lines.append(f"{where} {what}: p99 {p99:.1f} ms, aim {limit:g} ms")
        for what in sorted(full[where].keys() - set(WHOLE)):
            growth = full[where][what]["median_ms"] / max(small[where][what]["median_ms"], 0.001)
            if growth > FLAT and full[where][what]["median_ms"] > FROM_MS:
                lines.append(f"{where} {what}: {growth:.1f} times as long with ten times the models, aim {FLAT:g}")
    if full["manager_mb"] > MEMORY_AIM_MB:
        lines.append(f"manager: {full['manager_mb']:.0f} MB, aim {MEMORY_AIM_MB:g} MB")
    return lines


def _measure(home: Path, models: int, arguments: argparse.Namespace) -> dict[str, Any]:
    store = home / "manager" / "registry.sqlite"
    registry = Registry(f"sqlite:///{store}")
    filled = _fill(registry, models, arguments.versions)
    chance = random.Random()  # unlike the last time: a store that was kept has the digests of that one
    library = _library(registry, models, arguments, chance)
    print(f"{models} x {arguments.versions}: store {store.stat().st_size / 2**20:.0f} MB")
    _show("library", library)
    manager, memory_mb = measure_manager(home, models, arguments.versions, arguments.repetitions, chance)
    _show("manager", manager)
    print(f"  manager process: {memory_mb:.0f} MB at most", flush=True)
    return {
        "models": models,
        "versions": arguments.versions,
        "store_mb": round(store.stat().st_size / 2**20, 1),
        "fill_versions_per_s": filled,
        "library": {name: vars(timing) for name, timing in library.items()},
        "manager": {name: vars(timing) for name, timing in manager.items()},
        "manager_mb": round(memory_mb, 1),
    }


def _fill(registry: Registry, models: int, versions: int) -> float | None:
    """Versions a second, each with five documents and two stage moves; None when the store was filled before."""
    chance = random.Random(SEED)
    done = len(registry.models())
    began, shown = time.monotonic(), 0.0
    for number in range(done, models):
        for _ in range(versions):
            _bring(registry, model_name(number), chance)
        passed = time.monotonic() - began
        if passed - shown > 10 or number + 1 == models:
            shown = passed
            print(f"filling: {number + 1} of {models} models, {passed:.0f} s", flush=True)
    return round((models - done) * versions / (time.monotonic() - began), 1) if done < models else None


def _bring(registry: Registry, model: str, chance: random.Random) -> None:
    """A version with what its run leaves in the registry."""
    new = draft(model, chance)
    version, _ = registry.register(
        model, new.tree_digest, served=new.served, manifest=new.manifest, source="/u", run="r"
    )
    documents = evidence(version, chance)
    for kind, key, document in documents[:-1]:
        registry.add_evidence(version.model_id, kind, key, "upload__0123456789abcdef", document)
    for stage in ("Staging", "Production"):
        registry.move_stage(model, version.version, stage, who="bench", run="upload__0123456789abcdef", why="PASS")
    registry.add_evidence(version.model_id, *documents[-1][:2], "upload__0123456789abcdef", documents[-1][2])


def _library(
    registry: Registry, models: int, arguments: argparse.Namespace, chance: random.Random
) -> dict[str, Timing]:
    def lookup(model: str) -> ModelVersion:
        production = current(registry.ledger(model), "local").production
        assert production is not None
        return registry.version(model, production)

    def page() -> list[ModelOverview]:
        return overviews(registry, find_models(registry, Filter(), Order("name")).items)

    def register(model: str, new: Any) -> None:
        assert registry.register(model, new.tree_digest, served=new.served, manifest=new.manifest)[1]

    gc.collect()
    gc.freeze()  # as the manager does at its start: filling left much behind, looked through in the midst of a call
    names = [model_name(chance.randrange(models)) for _ in range(arguments.repetitions)]
    each_once = each_model_once(models, arguments.repetitions, chance)
    drafts = [(name, draft(name, chance)) for name in each_once]
    ids = [(lookup(name).model_id,) for name in names]
    found = {
        "lookup": timed(lookup, [(name,) for name in names]),
        "evidence": timed(registry.evidence, ids),
        "list_page": timed(page, [()] * min(40, arguments.repetitions)),
        "list_models": timed(registry.models, [()] * min(20, arguments.repetitions)),
        "register": timed(register, drafts),
    }
    newest = [(name, registry.versions(name)[-1].version, "Staging") for name in each_once]
    found["stage_move"] = timed(registry.move_stage, newest)
    return found


def _mlflow(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    script = Path(__file__).with_name("registry_mlflow.py")
    numbers = (arguments.models, arguments.versions, arguments.repetitions)
    command = [arguments.mlflow, str(script), str(folder), *map(str, numbers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        last = ""
        for line in child.stdout:
            last = line
            if not line.startswith("{"):
                print(line, end="", flush=True)
    if child.returncode:
        raise SystemExit(f"the MLflow part ended with {child.returncode}: {' '.join(command)}")
    found: dict[str, Any] = json.loads(last)
    print(f"MLflow {found['version']} on SQLite, filled at {found['fill_per_s']} versions a second")
    _show("mlflow", {name: Timing(**value) for name, value in found.items() if isinstance(value, dict)})
    return found


def _show(where: str, timings: dict[str, Timing]) -> None:
    for name, timing in timings.items():
        print(f"  {where:8} {name:12} {timing}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
