"""`make bench-registry`, small and without MLflow: it runs, and says which aims were missed."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

pytest.importorskip("ml_metadata", reason="ml-metadata is in the manager's environment only")

from benchmarks import registry as bench
from benchmarks.registry_documents import draft, evidence
from seatrial.registry.mlmd_store import Registry


def test_the_benchmark_runs_small_and_ends_with_its_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["registry", "--models", "10", "--versions", "2", "--repetitions", "4"])
    status = bench.main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["ok"] is (status == 0) is (not found["missed"])
    assert {"lookup", "register", "evidence", "stage_move"} <= found["full"]["library"].keys()
    assert {"lookup", "register", "evidence", "stage_move", "list_page"} <= found["full"]["manager"].keys()
    assert found["full"]["manager_mb"] > 0
    assert found["full"]["fill_versions_per_s"] > 0


def test_each_aim_that_is_missed_is_named() -> None:
    def side(**p99: float) -> dict[str, dict[str, float]]:
        return {what: {"median_ms": 2.0, "p99_ms": p99.get(what, 3.0)} for what in bench.P99_AIMS_MS}

    good = {"library": side(), "manager": side(), "manager_mb": 120.0}
    assert bench.misses({"full": good, "small": good}) == []
    slow = {"library": side(), "manager": side(lookup=10.1), "manager_mb": 300.1}
    assert bench.misses({"full": slow, "small": good}) == [
        "manager lookup: p99 10.1 ms, aim 10 ms",
        "manager: 300 MB, aim 300 MB",
    ]
    grown = {**good, "library": {**side(), "register": {"median_ms": 6.0, "p99_ms": 9.0}}}
    assert bench.misses({"full": grown, "small": good}) == [
        "library register: 3.0 times as long with ten times the models, aim 2"
    ]


def test_evidence_is_as_many_documents_as_a_run_writes(tmp_path: Path) -> None:
    new = draft("pitch", random.Random(1))
    registry = Registry(f"sqlite:///{tmp_path / 'registry.sqlite'}")
    version, _ = registry.register("pitch", new.tree_digest, served=new.served, manifest=new.manifest)
    kinds = [kind for kind, _, _ in evidence(version, random.Random(1))]
    assert kinds == ["CheckFormat", "ShadowValidate", "ProfileHardware", "ProfileHardware", "PushAutoscaling"]
