"""An MLmodel becomes a manifest: a function of its bytes and of where the upload is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import UploadRefused
from seatrial.uploads.declaration import declaration_of, read_declaration
from seatrial.uploads.manifest import Manifest, Objective
from seatrial.uploads.mlflow import MLMODEL, OBJECTIVE
from tests.models import write_upload

ONNX: dict[str, Any] = {
    "flavors": {"onnx": {"data": "model.onnx", "code": None}, "python_function": {"loader_module": "mlflow.onnx"}},
    "saved_input_example_info": {"artifact_path": "input_example.json", "type": "ndarray"},
    "run_id": "fe1ec4881dcb4bd2851f95f3e75d0aca",
    "model_uuid": "m-13be6af92cbf415ca351d6f983029ca2",
    "mlflow_version": "3.17.2",
    "utc_time_created": "2026-11-26 16:22:28.161898",
    "model_id": None,
}


def manifest(upload: str = "pitch", **entries: Any) -> Manifest:
    return declaration_of(MLMODEL, yaml.safe_dump(ONNX | entries).encode(), upload).manifest


def refusal(**entries: Any) -> UploadRefused:
    with pytest.raises(UploadRefused) as caught:
        manifest(**entries)
    assert caught.value.fields["file"] == MLMODEL
    assert str(caught.value).isprintable()
    return caught.value


def test_an_mlmodel_alone_is_a_whole_manifest() -> None:
    found = manifest("pitch-20261126-162228")
    assert (found.name, found.format, found.model_file) == ("pitch", "onnx", "model.onnx")
    assert found.samples == ("input_example.json",)
    assert found.objective == Objective.model_validate(OBJECTIVE)
    assert found.tags == {
        "mlflow.run_id": "fe1ec4881dcb4bd2851f95f3e75d0aca",
        "mlflow.model_uuid": "m-13be6af92cbf415ca351d6f983029ca2",
        "mlflow.mlflow_version": "3.17.2",
        "mlflow.utc_time_created": "2026-11-26 16:22:28.161898",
    }


def test_metadata_of_seatrial_holds_entries_of_the_manifest_and_goes_first() -> None:
    own = {
        "name": "note",
        "objective": {"latency_ms": 50.0},
        "comparison": {"comparison_class": "retrained", "rtol": 0.1},
        "capture": {"share": 0.5},
        "samples": ["samples/a.npz"],
        "layers": {"audio": "x"},
        "metrics": {"f1": 0.5},
        "tags": {"team": "audio", "mlflow.run_id": "mine"},
    }
    found = manifest(metadata={"seatrial": own, "dataset": "maestro", "epochs": 4, "nested": {"a": 1}})
    assert (found.name, found.objective.latency_ms, found.capture.share) == ("note", 50.0, 0.5)
    assert (found.comparison.comparison_class, found.layers) == ("retrained", {"audio": "x"})
    assert (found.samples, found.metrics) == (("samples/a.npz",), {"f1": 0.5})
    assert {"team": "audio", "mlflow.run_id": "mine", "dataset": "maestro", "epochs": "4"}.items() <= found.tags.items()
    assert "nested" not in found.tags


@pytest.mark.parametrize(
    ("flavors", "expected"),
    [
        ({"tensorflow": {"saved_model_dir": "tf2model", "model_type": "tf2-module"}}, ("savedmodel", "tf2model")),
        ({"tensorflow": {"data": "data", "save_format": "tf", "model_type": "keras"}}, ("savedmodel", "data/model")),
        ({"keras": {"data": "data", "save_exported_model": True}}, ("savedmodel", "data/model")),
        ({"onnx": {"data": "net/a.onnx"}, "tensorflow": {"saved_model_dir": "b"}}, ("onnx", "net/a.onnx")),
    ],
)
def test_the_file_is_where_each_flavor_of_mlflow_writes_it(flavors: Any, expected: tuple[str, str]) -> None:
    found = manifest(flavors=flavors)
    assert (found.format, found.model_file) == expected


@pytest.mark.parametrize(
    "flavors",
    [
        None,
        [],
        "onnx",
        {},
        {"onnx": None},
        {"onnx": {"data": 5}},
        {"python_function": {"data": "model.pkl", "loader_module": "os"}},
        {"tensorflow": {"data": "data", "save_format": "h5"}},
        {"tensorflow": {"data": ["data"], "save_format": "tf"}},
        {"keras": {"data": "data", "save_exported_model": False}},
    ],
)
def test_what_has_no_flavor_that_can_be_served_is_refused_with_those_it_has(flavors: Any) -> None:
    assert "neither ONNX nor a SavedModel" in str(refusal(flavors=flavors))


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (None, "input_example="),
        ([], "input_example="),
        ({"type": "ndarray"}, "input_example="),
        ({"artifact_path": "input_example.json", "type": "dataframe", "pandas_orient": "split"}, "'dataframe'"),
        ({"artifact_path": "input_example.json", "type": "sparse_matrix_csr"}, "input_example="),
        ({"artifact_path": "../input_example.json"}, "leaves its folder"),
        ({"artifact_path": "/etc/passwd"}, "is not a relative path"),
        ({"artifact_path": "model.pkl"}, "MLflow writes input examples"),
        ({"artifact_path": {"a": 1}}, "samples.0"),
    ],
)
def test_without_an_example_of_arrays_the_refusal_says_what_to_log(info: Any, reason: str) -> None:
    assert reason in str(refusal(saved_input_example_info=info))


@pytest.mark.parametrize(
    ("own", "field"),
    [
        ({"objektive": {"latency_ms": 5.0}}, "objektive"),
        ({"objective": {"latency_ms": -1.0}}, "objective.latency_ms"),
        ({"name": "../x"}, "name"),
        ({"name": "{{ conf }}"}, "name"),
        ({"model_file": "../../etc/passwd"}, "model_file"),
        ({"tags": ["a"]}, "tags"),
        ({"tags": {5: "a"}}, "tags.5"),
        ({"format": "pickle"}, "format"),
        (["name"], "metadata.seatrial"),
        ("name", "metadata.seatrial"),
    ],
)
def test_entries_of_seatrial_are_held_to_what_a_manifest_is_held_to(own: Any, field: str) -> None:
    assert refusal(metadata={"seatrial": own}).fields["field"] == field


def test_a_folder_whose_name_names_no_model_needs_one_in_the_metadata() -> None:
    with pytest.raises(UploadRefused, match=r"metadata\.seatrial\.name"):
        manifest("{{ }}")
    assert manifest("{{ }}", metadata={"seatrial": {"name": "tiny"}}).name == "tiny"


def test_what_a_manifest_does_not_take_of_the_metadata_is_left_out_and_noted() -> None:
    metadata = {"prompt": "x" * 501, "k" * 101: "a", "fine": "yes", 5: "no text as name"}
    data = yaml.safe_dump(ONNX | {"metadata": metadata}).encode()
    found = declaration_of(MLMODEL, data, "pitch")
    assert found.manifest.tags["fine"] == "yes"
    assert "prompt" not in found.manifest.tags
    assert found.mlflow is not None
    assert found.mlflow.notes[0].startswith("2 of tags left out")


def test_a_manifest_goes_before_an_mlmodel(tmp_path: Path) -> None:
    (write_upload(tmp_path / "u", model=False) / MLMODEL).write_bytes(b"\0")
    assert (read_declaration(tmp_path / "u").file, read_declaration(tmp_path / "u").manifest.name) == (
        "model.yaml",
        "tiny",
    )


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
ANYTHING = st.recursive(
    PLAIN, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=10) | st.integers(), below)
)


def read(data: bytes, upload: str) -> Manifest | str:
    """The manifest, or the line that refuses it."""
    try:
        return declaration_of(MLMODEL, data, upload).manifest
    except UploadRefused as error:
        return str(error)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys((*ONNX, "metadata", "signature"), ANYTHING)), st.text())
def test_whatever_an_mlmodel_holds_is_a_manifest_or_a_refusal_and_the_same_again(
    entries: dict[str, Any], upload: str
) -> None:
    data = yaml.safe_dump(ONNX | entries).encode()
    found = read(data, upload)
    assert isinstance(found, Manifest) or found.isprintable()
    assert read(data, upload) == found


@given(st.dictionaries(st.sampled_from([*Manifest.model_fields, "other"]), ANYTHING))
def test_whatever_the_metadata_of_seatrial_holds_is_a_manifest_or_a_refusal(own: dict[str, Any]) -> None:
    found = read(yaml.safe_dump(ONNX | {"metadata": {"seatrial": own}}).encode(), "pitch")
    assert isinstance(found, Manifest) or found.isprintable()
