"""What a promotion's evidence says to a person."""

from __future__ import annotations

from typing import Any

from seatrial.cli_audit_views import evidence_lines


def line_of(kind: str, **document: Any) -> str:
    (line,) = evidence_lines([{"kind": kind, "key": "k", "at_ms": 0, "id": 1, "document": document}])
    return line


def test_a_watch_says_what_was_counted_and_against_what() -> None:
    line = line_of("Watch", verdict="FAIL", sentence="14 of 200 requests failed, limit 0.10%", seen={"requests": 200})
    assert line == (
        "  1970-01-01 00:00:00Z  watch after promotion (Watch): FAIL: 14 of 200 requests failed, limit 0.10%"
    )


def test_a_promotion_says_that_its_replicas_were_warm() -> None:
    line = line_of("Promote", warmth=[], sentence="pitch-1: first p99 27.0 ms, then 26.0 ms", production=None)
    assert line.endswith("promotion (Promote): warm before any client came: pitch-1: first p99 27.0 ms, then 26.0 ms")


def test_a_promotion_says_its_ledger_entry() -> None:
    assert line_of("Promote", move={"seq": 4}, replicas=2).endswith("promotion (Promote): ledger entry 4, 2 replica(s)")


def test_a_format_check_says_signature_versions_and_what_was_found() -> None:
    layer = {"name": "x", "dtype": "FP32", "shape": [-1, 4]}
    old = {
        "severity": "warning",
        "file": "m.onnx",
        "location": "opset",
        "value": "6",
        "limit": "7",
        "message": "is old",
    }
    line = line_of(
        "CheckFormat",
        served={"format": "onnx", "signature": {"inputs": [layer], "outputs": [layer]}},
        runtime={"opset": "6"},
        files={"model.onnx": "0"},
        sample_names=["a.npz", "b.npz"],
        findings=[old],
    )
    assert line.endswith(
        "format check (CheckFormat): onnx: x FP32[-1,4] → x FP32[-1,4]; opset 6; 1 files, 2 samples; "
        "warning: m.onnx: opset: 6 is old (limit: 7)"
    )
