"""MLflow's records become uploads: names, stages, what is kept, what is missing, what is skipped."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.mlflow_import.names import model_names, stage_of
from seatrial.mlflow_import.plan import NO_OBJECTIVE, NO_SAMPLE, plan, typed
from seatrial.mlflow_import.records import VersionRecord
from seatrial.uploads.manifest import parse_manifest

ONNX: dict[str, Any] = {
    "flavors": {"onnx": {"data": "model.onnx"}, "python_function": {}},
    "saved_input_example_info": {"artifact_path": "input_example.json"},
}
FILES = ("MLmodel", "conda.yaml", "input_example.json", "model.onnx", "model.onnx.data", "requirements.txt")


def record(version: int = 1, **values: Any) -> VersionRecord:
    known = {"model": "Pitch", "mlmodel": ONNX, "files": FILES, **values}
    return VersionRecord(version=version, **known)


def test_two_models_of_one_name_are_refused_until_one_is_renamed() -> None:
    with pytest.raises(Refused, match=r"'Pitch Model' and 'pitch-model' would both be 'pitch-model'"):
        model_names(["pitch-model", "Pitch Model"], {})
    assert model_names(["pitch-model", "Pitch Model"], {"Pitch Model": "pitch"})["Pitch Model"] == "pitch"
    with pytest.raises(Refused, match="no model 'nobody'"):
        model_names(["a"], {"nobody": "b"})
    with pytest.raises(Refused, match="matches"):
        model_names(["a"], {"a": "No Name"})


@pytest.mark.parametrize(
    ("aliases", "former", "stage"),
    [
        (["champion"], "None", "Production"),
        (["Production"], "Archived", "Production"),
        (["challenger", "champion"], "None", "Production"),
        (["candidate"], "Production", "Staging"),
        (["best-of-may"], "Staging", "Staging"),
        ([], "Archived", "Archived"),
        ([], "None", "None"),
        (["live"], "None", "Production"),
    ],
)
def test_aliases_mean_stages_and_go_before_the_former_ones(aliases: list[str], former: str, stage: str) -> None:
    assert stage_of(aliases, former, {"live": "Production"}) == stage


def test_an_alias_cannot_mean_a_stage_that_is_none() -> None:
    with pytest.raises(Refused, match="Shadow"):
        stage_of([], "None", {"live": "Shadow"})


def test_a_complete_import_is_a_manifest_that_is_accepted() -> None:
    [found] = plan(
        [
            record(
                aliases=("champion",),
                description="what\x00ever",
                user="ann",
                tags={"team": "audio"},
                run_tags={"mlflow.source.name": "x.py", "own": "1"},
                metrics={"f1": 0.5},
                params={"lr": "0.1", "layers": "4"},
            )
        ],
        latency_ms=100.0,
    )
    manifest = parse_manifest({**found.manifest, "samples": ["samples/example.npz"]})
    assert (manifest.name, manifest.format, manifest.user, manifest.description) == (
        "pitch",
        "onnx",
        "ann",
        "what ever",
    )
    assert manifest.hyper_parameters == {"lr": 0.1, "layers": 4}
    assert manifest.tags == {
        "team": "audio",
        "own": "1",
        "mlflow.model": "Pitch",
        "mlflow.version": "1",
        "mlflow.aliases": "champion",
        "mlflow.stage": "Production",
    }
    assert (found.missing, found.copied) == ((), ("model.onnx", "model.onnx.data"))


def test_what_mlflow_lacks_is_said() -> None:
    [found] = plan([record(mlmodel={"flavors": ONNX["flavors"]})])
    assert found.missing == (NO_OBJECTIVE, NO_SAMPLE)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"mlmodel": {"flavors": {"python_function": {}}}}, "python_function: neither ONNX nor a SavedModel"),
        ({"mlmodel": {"flavors": {"onnx": {"data": "../model.onnx"}}}}, "onnx: neither"),
        ({"mlmodel": {"flavors": ["onnx"]}}, "no flavor"),
        ({"mlmodel": {}, "files": (), "flaw": "No such artifact"}, "cannot be read: No such artifact"),
        ({"mlmodel": {}, "files": ("../x/saved_model.pb",)}, "neither"),
    ],
)
def test_what_is_no_network_file_is_skipped_with_the_reason(values: dict[str, Any], reason: str) -> None:
    [found] = plan([record(**values)])
    assert reason in found.skipped
    assert not found.copied


def test_a_saved_model_is_found_by_its_file_and_copied_whole() -> None:
    files = ("MLmodel", "data/model/saved_model.pb", "data/model/variables/variables.index", "data/x.txt")
    [found] = plan([record(mlmodel={"flavors": {"tensorflow": {}}}, files=files)])
    assert (found.format, found.manifest["model_file"]) == ("savedmodel", "data/model")
    assert found.copied == files[1:3]


def test_of_two_saved_models_the_one_that_the_flavor_names_is_taken() -> None:
    files = ("MLmodel", "code/old/saved_model.pb", "tf2model/saved_model.pb")
    [named] = plan([record(mlmodel={"flavors": {"tensorflow": {"saved_model_dir": "tf2model"}}}, files=files)])
    assert (named.manifest["model_file"], named.copied) == ("tf2model", files[2:])
    for said in ("not/there", "..", ["tf2model"], None):
        [unclear] = plan([record(mlmodel={"flavors": {"tensorflow": {"saved_model_dir": said}}}, files=files)])
        assert "neither ONNX nor a SavedModel" in unclear.skipped


def test_versions_go_in_their_order_and_later_ones_are_noted() -> None:
    found = plan([record(10), record(9, aliases=("champion",)), record(2)])
    assert [each.folder for each in found] == [f"mlflow-pitch-v{number:04d}" for number in (2, 9, 10)]
    assert [len(each.notes) for each in found] == [0, 1, 2]
    assert "MLflow has v9" in found[2].notes[1]


def test_what_a_manifest_does_not_take_is_left_out_and_noted() -> None:
    [found] = plan([record(params={"prompt": "x" * 501, "k" * 101: "1", "fine": "yes"})], latency_ms=1.0)
    assert found.manifest["hyper_parameters"] == {"fine": "yes"}
    assert "2 of hyper_parameters left out" in found.notes[0]


@pytest.mark.parametrize("latency_ms", [0.0, -1.0, float("nan"), 3_600_001.0])
def test_an_objective_out_of_range_is_refused(latency_ms: float) -> None:
    with pytest.raises(Refused, match="latency-ms"):
        plan([], latency_ms=latency_ms)


@given(st.text(max_size=30) | st.integers().map(str) | st.floats().map(str) | st.booleans().map(str))
@example("010")
@example("1_000")
@example("1e3")
@example(" 5")
def test_a_parameter_never_loses_what_its_text_said(text: str) -> None:
    assert str(typed(text)) == text
