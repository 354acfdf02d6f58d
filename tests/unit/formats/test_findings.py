"""What a report says of an accepted upload, in one line each; and of versions that a runtime does not know."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from seatrial.formats import onnx as onnx_format
from seatrial.formats.facts import Finding
from seatrial.formats.onnx_limits import too_new


def test_a_finding_is_one_line_of_severity_file_location_value_and_limit() -> None:
    whole = Finding(
        severity="warning", file="m.onnx", location="opset", value="6", limit="7 or later", message="is old"
    )
    assert str(whole) == "warning: m.onnx: opset: 6 is old (limit: 7 or later)"
    assert str(Finding(severity="info", file="m.onnx", message="is new")) == "info: m.onnx: is new"


@pytest.mark.parametrize(("opset", "values"), [(6, ["6"]), (7, []), (13, [])])
def test_an_opset_older_than_the_runtime_promises_is_a_finding(tmp_path: Path, opset: int, values: list[str]) -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", [x], [y])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), tmp_path / "m.onnx"
    )
    assert [found.value for found in onnx_format.inspect(tmp_path, "m.onnx").findings] == values


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
