"""The registry on a real ml-metadata store."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import Conflict, NoSuchModel, NoSuchVersion
from seatrial.registry.mlmd_store import Registry
from seatrial.served_model import ServedModel
from seatrial.tensors import Signature, TensorSpec

SERVED = ServedModel(
    name="pitch",
    version=1,
    format="onnx",
    main_file="model.onnx",
    files={"model.onnx": "a" * 64},
    signature=Signature((TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("y", "FP32", (-1, 4)),)),
)
MANIFEST = {"name": "pitch", "user": "ada", "description": "first", "metrics": {"f1": 0.5}, "tags": {"a": "b"}}


def store(folder: Path) -> str:
    return f"sqlite:///{folder / 'registry.sqlite'}"


def register(registry: Registry, digest: str) -> tuple[Any, bool]:
    return registry.register("pitch", digest, served=SERVED, manifest=MANIFEST, source="/up", run="r")


def test_the_same_bytes_are_the_same_version_and_others_the_next(tmp_path: Path) -> None:
    registry = Registry(store(tmp_path))
    first, made = register(registry, "a" * 64)
    again, made_again = register(registry, "a" * 64)
    second, _ = register(registry, "b" * 64)
    assert (made, made_again, first, second.version) == (True, False, again, 2)
    assert second.served.version == 2
    reopened = Registry(store(tmp_path))
    assert reopened.versions("pitch") == [first, second]
    assert reopened.by_id(first.model_id) == first
    assert (first.user, first.metrics, first.tags) == ("ada", {"f1": 0.5}, {"a": "b"})


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    registry = Registry(store(tmp_path))
    register(registry, "a" * 64)
    with pytest.raises(NoSuchModel, match="pitch"):
        registry.version("pitsh", 1)
    with pytest.raises(NoSuchVersion, match="1"):
        registry.version("pitch", 7)
    with pytest.raises(NoSuchVersion):
        registry.by_id(10**6)


def test_evidence_is_replaced_by_the_same_step_of_the_same_run_only(tmp_path: Path) -> None:
    registry = Registry(store(tmp_path))
    version, _ = register(registry, "a" * 64)
    for run, value in (("r1", 1), ("r1", 2), ("r2", 3)):
        registry.add_evidence(version.model_id, "ShadowValidate", "report", run, {"value": value})
    assert [found.document["value"] for found in registry.evidence(version.model_id)] == [3, 2]
    assert registry.evidence(version.model_id, "Other") == []


def _race(connection: str, version: int, start: Any, results: Any) -> None:
    registry = Registry(connection)
    start.wait()
    try:
        move = registry.move_stage("pitch", version, "Production", expect_production=None, who=f"p{version}")
        results.put(("won", move.version))
    except Conflict as error:
        results.put(("lost", str(error)))


def test_of_two_processes_that_race_for_production_one_wins_and_one_learns_why(tmp_path: Path) -> None:
    registry = Registry(store(tmp_path))
    for digest in ("a" * 64, "b" * 64):
        version, _ = register(registry, digest)
        registry.move_stage("pitch", version.version, "Staging")
        registry.move_stage("pitch", version.version, "Archived")
    spawned = multiprocessing.get_context("spawn")
    start, results = spawned.Event(), spawned.Queue()
    racers = [spawned.Process(target=_race, args=(store(tmp_path), n, start, results)) for n in (1, 2)]
    for racer in racers:
        racer.start()
    start.set()
    ended = sorted(results.get(timeout=60) for _ in racers)
    for racer in racers:
        racer.join()
    assert [kind for kind, _ in ended] == ["lost", "won"]
    ledger = registry.ledger("pitch")
    assert [move.seq for move in ledger] == list(range(1, 6))
    assert [move.to_stage for move in ledger].count("Production") == 1
