"""What MLflow claims of a model is held against its file: each disagreement is a finding, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.formats.facts import FormatFacts
from seatrial.formats.mlflow_claims import mlflow_findings
from seatrial.tensors import Signature, TensorSpec
from seatrial.uploads.mlflow import MlflowModel

X, Y = TensorSpec("x", "FP32", (-1, 4)), TensorSpec("y", "FP32", (1, 4))
FACTS = FormatFacts(Signature((X,), (Y,)), ("model.onnx",), {"signature": "serving_default"})


def said(signature: Any, **more: Any) -> MlflowModel:
    known = {"document": {}, "notes": (), "objective_assumed": False, "signature_name": None, **more}
    return MlflowModel(signature=signature, **known)


def tensor(dtype: str, shape: list[int], **name: str) -> dict[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}, **name}


def of_inputs(*entries: Any) -> list[str]:
    found = mlflow_findings(said({"inputs": json.dumps(entries), "outputs": None, "params": None}), FACTS)
    assert {finding.severity for finding in found} <= {"warning"}
    return [str(finding) for finding in found]


@pytest.mark.parametrize("shape", [[-1, 4], [1, 4], [-1, -1]])
@pytest.mark.parametrize("name", [{"name": "x"}, {}])
def test_a_signature_that_fits_the_file_is_not_worth_a_word(shape: list[int], name: dict[str, str]) -> None:
    assert not of_inputs(tensor("float32", shape, **name))


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([tensor("float64", [-1, 4], name="x")], "signature.inputs.x: FP64[-1,4] is not what the model's file says"),
        ([tensor("float32", [-1, 5], name="x")], "FP32[-1,5] is not what the model's file says (limit: FP32[-1,4])"),
        ([tensor("float32", [-1], name="x")], "FP32[-1] is not what the model's file says (limit: FP32[-1,4])"),
        ([tensor("float32", [-1, 4], name="z")], "signature.inputs: z are not its layers (limit: x)"),
        ([tensor("float32", [-1, 4], name=n) for n in "xz"], "signature.inputs: x, z are not its layers (limit: x)"),
        ([], "signature.inputs: nothing are not its layers (limit: x)"),
        ([{"type": "double", "name": "x"}], "is not of tensors: not compared"),
        ([tensor("complex64", [-1, 4], name="x")], "is not of tensors: not compared"),
    ],
)
def test_each_disagreement_is_one_warning_with_both_sides(entries: list[Any], says: str) -> None:
    [found] = of_inputs(*entries)
    assert says in found


def test_a_signature_of_a_saved_model_that_is_not_served_is_told() -> None:
    [found] = mlflow_findings(said(None, signature_name="predict"), FACTS)
    assert "predict is not what is served (limit: serving_default)" in str(found)
    assert not mlflow_findings(said(None, signature_name="serving_default"), FACTS)


def test_an_objective_that_nobody_named_is_a_warning() -> None:
    document = {"objective": {"percentile": 99.0, "latency_ms": 1000.0}}
    [warning, note] = mlflow_findings(said(None, document=document, objective_assumed=True, notes=("1 left",)), FACTS)
    assert (warning.severity, note.severity) == ("warning", "info")
    assert str(warning).startswith("warning: MLmodel: metadata.seatrial.objective: 1000 ms at p99 is assumed")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "type", "tensor-spec", "dtype", "shape"]), below)
    ),
)


@given(st.dictionaries(st.sampled_from(["inputs", "outputs"]), JSON | JSON.map(json.dumps)) | JSON, JSON)
def test_whatever_stands_there_as_a_signature_is_compared_or_said_not_to_be(signature: Any, name: Any) -> None:
    for finding in mlflow_findings(said(signature, signature_name=name), FACTS):
        assert str(finding).isprintable()
