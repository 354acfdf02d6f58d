"""What a report says of an accepted upload, in one line each; and of versions that a runtime does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from seatrial.formats import onnx as onnx_format
from seatrial.formats.facts import Finding
from seatrial.formats.line import LONGEST_LINE, report_line
from seatrial.formats.onnx_limits import too_new


def test_a_finding_is_one_line_of_severity_file_location_value_and_limit() -> None:
    whole = Finding(
        severity="warning", file="m.onnx", location="opset", value="6", limit="7 or later", message="is old"
    )
    assert str(whole) == "warning: m.onnx: opset: 6 is old (limit: 7 or later)"
    assert str(Finding(severity="info", file="m.onnx", message="is new")) == "info: m.onnx: is new"


LAYERS = {
    "inputs": [{"name": "x", "dtype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "dtype": "INT8", "shape": []}],
}
REPORT: dict[str, Any] = {
    "served": {"format": "onnx", "signature": LAYERS},
    "runtime": {"onnxruntime": "1.23.2", "opset": "ai.onnx 13"},
    "files": {"model.yaml": "0", "model.onnx": "1"},
    "sample_names": ["a.npz"],
    "findings": [],
}
OLD = {"severity": "warning", "file": "m.onnx", "location": "opset", "value": "6", "limit": "7", "message": "is old"}


def test_a_report_is_one_line_of_format_signature_versions_counts_and_findings() -> None:
    whole = "onnx: x FP32[-1,4] → y INT8[]; onnxruntime 1.23.2, opset ai.onnx 13; 2 files, 1 samples; "
    assert report_line(REPORT) == whole + "no finding"
    assert report_line({**REPORT, "findings": [OLD]}) == whole + "warning: m.onnx: opset: 6 is old (limit: 7)"


def test_the_line_of_a_plan_does_not_make_up_its_layers() -> None:
    served = {"format": "tensorrt", "signature": {"inputs": [], "outputs": []}}
    assert "tensorrt: layers are known once a server has loaded it;" in report_line({**REPORT, "served": served})


@given(st.text(), st.text())
def test_no_text_of_an_upload_makes_a_second_or_an_endless_line(message: str, value: str) -> None:
    found = {**OLD, "message": message * 50, "value": value}
    for line in (report_line({**REPORT, "findings": [found] * 9}), str(Finding.model_validate(found))):
        assert line.isprintable()
        assert len(line) <= LONGEST_LINE


@pytest.mark.parametrize(("opset", "values"), [(6, ["6"]), (7, []), (13, [])])
def test_an_opset_older_than_the_runtime_promises_is_a_finding(tmp_path: Path, opset: int, values: list[str]) -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", [x], [y])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), tmp_path / "m.onnx"
    )
    assert [found.value for found in onnx_format.inspect(tmp_path, "m.onnx").findings] == values


def test_a_free_dimension_besides_the_batchs_is_named(tmp_path: Path) -> None:
    value = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "width", None]) for name in "xy"}
    w = helper.make_tensor("w", TensorProto.FLOAT, [1], [2.0])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["y"])], "free", [value["x"]], [value["y"]], [w])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "m.onnx")
    (found,) = onnx_format.inspect(tmp_path, "m.onnx").findings
    assert (found.location, found.value, found.severity) == ("x", "width, ?", "info")


@pytest.mark.parametrize(
    ("said", "field", "value", "limit"),
    [
        ("Load model failed: Unsupported model IR version: 14, max supported IR version: 11", "ir_version", "14", "11"),
        (
            "Opset 25 is under development and support for this is limited. The operator schemas may change.\n"
            "Current official support for domain ai.onnx is till opset 23.",
            "opset",
            "25",
            "23",
        ),
    ],
)
def test_a_version_that_the_runtime_does_not_know_is_refused_with_both(
    said: str, field: str, value: str, limit: str
) -> None:
    refusal = too_new(said, "m.onnx")
    assert refusal is not None
    assert (refusal.fields["field"], refusal.fields["value"]) == (field, value)
    assert f"at most {limit} by ONNX Runtime" in refusal.fields["limit"]


def test_any_other_message_is_no_matter_of_versions() -> None:
    assert too_new("Fail to load", "m.onnx") is None
