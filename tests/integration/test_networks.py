"""`make test-networks` says of each network that failed why, in its last line, and goes on with the others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ml_metadata", reason="the manager runs in its own environment only")

from tests.networks.__main__ import Found, each

ROOT = Path(__file__).parents[2]


def test_without_its_networks_the_last_line_names_each_and_the_reason(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.networks", "--networks", str(tmp_path), "--only", "file-type", "pitch-onnx"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert not summary["ok"]
    assert {name: str(tmp_path) in one["error"] for name, one in summary["networks"].items()} == {
        "file-type-file": True,
        "file-type-hdfs": True,
        "pitch-onnx-file": True,
        "pitch-onnx-hdfs": True,
    }
    assert not any(one["ok"] for one in summary["networks"].values())


def test_of_several_networks_one_that_fails_keeps_no_other_from_going_on() -> None:
    failures: Found = {}
    made = each(lambda number: 12 // number, {"a": 3, "none": 0, "c": 4}, failures)
    assert made == {"a": 4, "c": 3}
    assert failures == {"none": {"ok": False, "error": "ZeroDivisionError: integer division or modulo by zero"}}
