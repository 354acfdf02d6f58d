"""Listing 1000 models of 10 versions: all read and judged in Python, against narrowed by ml-metadata's own search.

    .venv-manager/bin/python -m benchmarks.listing [--models 1000] [--versions 10]

One line of JSON, seconds each, on a SQLite store of its own in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from seatrial.registry.mlmd_query import version_query
from seatrial.registry.mlmd_store import Registry
from seatrial.registry.paging import parse_order
from seatrial.registry.query import Filter, matches, parse_filter
from seatrial.registry.search import NOWHERE, find_models, find_versions
from tests.running import SERVED

FILTERS = ("", "metric.f1>0.9", "metric.f1>0.9 and tag.team=t3 and user=ann", "text~nothing", "stage=Production")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seatrial-listing-") as folder:
        registry = Registry(f"sqlite://{Path(folder) / 'registry.sqlite'}")
        _fill(registry, arguments.models, arguments.versions)
        found: dict[str, object] = {"models": arguments.models, "versions": arguments.models * arguments.versions}
        for text in FILTERS:
            found[text or "everything"] = _measure(registry, parse_filter(text))
    print(json.dumps(found))


def _fill(registry: Registry, models: int, versions: int) -> None:
    for model in range(models):
        name = f"model-{model:04d}"
        for number in range(1, versions + 1):
            digest = f"{model:032d}{number:032d}"
            manifest = {
                "user": "ann" if model % 2 else "bob",
                "metrics": {"f1": (model * 7 + number * 13) % 100 / 100},
                "tags": {"team": f"t{model % 7}"},
                "hyper_parameters": {"layers": number, "optimiser": "adam"},
            }
            registry.register(name, digest, served=SERVED, manifest=manifest)
        for stage in ("Staging", "Production"):
            registry.move_stage(name, 1 + model % versions, stage)  # type: ignore[arg-type]


def _measure(registry: Registry, wanted: Filter) -> dict[str, float]:
    everything = version_query(Filter())
    newest, by_metric = parse_order("-created"), parse_order("-metric.f1")
    return {
        "python_s": _seconds(lambda: [v for v in registry.find_versions(everything) if matches(wanted, v, NOWHERE)]),
        "first_page_s": _seconds(lambda: find_versions(registry, wanted, newest)),
        "by_metric_s": _seconds(lambda: find_versions(registry, wanted, by_metric)),
        "models_s": _seconds(lambda: find_models(registry, wanted, parse_order("name"))),
    }


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return round(time.perf_counter() - began, 3)


if __name__ == "__main__":
    main()
