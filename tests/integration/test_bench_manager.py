"""`make bench-manager`, small: it runs on real servers, and says which aims were missed."""

from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("ml_metadata", reason="ml-metadata is in the manager's environment only")

from benchmarks import manager as bench


def test_the_benchmark_runs_small_and_ends_with_its_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--models", "2", "--clients", "20", "--moves", "1", "--idle", "0.1", "--port", "8880"]
    monkeypatch.setattr(sys, "argv", ["manager", *small])
    status = bench.main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["ok"] is (status == 0) is (not found["missed"])
    assert (found["deployments"], found["clients"], len(found["moves"])) == (2, 20, 1)
    assert found["moves"][0]["told_s"] == found["told_s"] > 0
    assert found.keys() >= bench.AIMS.keys()


def test_each_aim_that_is_missed_is_named() -> None:
    good = {"told_s": 0.5, "idle_cores": 0.05, "busy_cores": 0.9, "memory_mb": 200.0}
    assert bench.misses(good) == []
    assert bench.misses({**good, "told_s": 1.2, "memory_mb": 301.0}) == [
        "told_s: 1.2, aim 1",
        "memory_mb: 301, aim 300",
    ]
