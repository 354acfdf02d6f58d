"""`make bench-runtime`, with a few calls: it runs, and says which aims were missed. Its figures are judged by hand."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import runtime as bench
from benchmarks.runtime import misses
from benchmarks.runtime_server import start_parts

LOG = """\
W1126 23:59:59.100000 15175 pinned_memory_manager.cc:273] "Unable to allocate pinned system memory"
I1126 23:59:59.150000 15175 python_be.cc:2249] "TRITONBACKEND_ModelInstanceInitialize: pitch_0_0 (CPU device 0)"
I1126 23:59:59.450000 15175 model.py:40] "seatrial runtime onnxruntime, loaded in 0.100 s: version=1.32.0 threads=1"
I1126 23:59:59.500000 15175 model_lifecycle.cc:839] "successfully loaded 'pitch'"
+------------------+------+
I1126 23:59:59.600000 15175 http_server.cc:362] "Started Metrics Service at 127.0.0.1:20975"
"""


@pytest.fixture
def examples() -> Path:
    found = Path(os.environ.get("SEATRIAL_EXAMPLES", ".seatrial/examples"))
    if not found.exists():
        pytest.skip("no example network here: make .seatrial/examples/.ready")
    return found


@pytest.fixture
def own_cores() -> Iterator[None]:
    """The benchmark moves its process off the server's core."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("own_cores")
def test_the_benchmark_runs_small_and_ends_with_its_figures(
    examples: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--examples", str(examples), "--formats", "onnx", "--calls", "4"]
    monkeypatch.setattr(sys, "argv", ["runtime", *arguments])
    status = bench.main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["ok"] is (status == 0) is (not found["missed"])
    figures = found["onnx"]
    assert all(figures[load]["bare_ms"] > 0 for load in ("batch_1", "batch_8", "joined_8"))
    assert figures["memory"]["replica"]["pss_mb"] > 0
    assert figures["start"]["ready_s"] >= figures["start"]["runtime"] > 0


def test_the_parts_of_a_start_are_read_off_its_log_and_add_up_to_the_whole() -> None:
    parts = start_parts(LOG, whole_s=0.75)
    assert parts == {"triton": 0.05, "python": 0.2, "runtime": 0.1, "warm_up": 0.05, "ports": 0.1, "rest": 0.25}


def test_each_format_that_misses_the_aim_is_named() -> None:
    def figures(overhead: float, disturbed: bool = False) -> dict[str, Any]:
        return {"batch_1": {"overhead": {"end_to_end": overhead}, "disturbed": disturbed}}

    assert misses({"onnx": figures(0.1), "savedmodel": figures(-0.01)}) == []
    assert misses({"onnx": figures(0.11), "savedmodel": figures(0.05)}) == [
        "onnx: 11.0% over the bare session at batch 1, end to end, aim 10%"
    ]
    assert misses({"onnx": figures(-0.4, disturbed=True)}) == [
        "onnx: other work had the core, so the wall times at batch 1 say nothing"
    ]
