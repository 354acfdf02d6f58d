"""Which backend serves what: the table of choices, and the reasons when there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving.triton_backend import WAYS, choose_way
from seatrial.serving.tritonserver import TritonInstallation
from seatrial.tensors import Signature

ALL = frozenset(way.backend for way in WAYS)
NAMES = {"onnx": "model.onnx", "savedmodel": "saved_model", "tensorrt": "model.plan"}


def served(model_format: str, renamed: bool = False, scalars: tuple[str, ...] = ()) -> ServedModel:
    layers = {"audio": "input_2:0"} if renamed else {"audio": "audio"}
    return ServedModel.model_validate(
        {
            "name": "pitch",
            "version": 1,
            "format": model_format,
            "main_file": NAMES[model_format],
            "files": {},
            "signature": Signature((), ()),
            "layers": layers,
            "scalars": scalars,
        }
    )


def option(**fields: Any) -> HardwareOption:
    return HardwareOption.model_validate({"name": "an-option", **fields})


def chosen(model: ServedModel, installed: frozenset[str] | set[str], **fields: Any) -> str:
    way = choose_way(model, option(**fields), installed)
    return f"{way.backend}/{way.runtime}" if way.runtime else way.backend


@pytest.mark.parametrize(
    ("model_format", "renamed", "fields", "lacking", "expected"),
    [
        ("onnx", False, {}, set(), "onnxruntime"),
        ("onnx", False, {}, {"onnxruntime"}, "python/onnxruntime"),
        ("onnx", True, {}, set(), "python/onnxruntime"),
        ("onnx", False, {"max_batch": 8}, set(), "onnxruntime"),
        ("onnx", False, {"device": "gpu"}, set(), "onnxruntime"),
        ("onnx", True, {"device": "gpu"}, set(), "python/onnxruntime"),
        ("savedmodel", False, {}, set(), "tensorflow"),
        ("savedmodel", False, {}, {"tensorflow"}, "python/openvino"),
        ("savedmodel", True, {}, set(), "python/openvino"),
        ("savedmodel", False, {"precision": "bf16"}, set(), "openvino"),
        ("savedmodel", False, {"precision": "bf16", "max_batch": 4}, set(), "python/openvino"),
        ("savedmodel", True, {"precision": "bf16"}, set(), "python/openvino"),
        ("tensorrt", False, {"device": "gpu"}, set(), "tensorrt"),
    ],
)
def test_the_first_way_that_nothing_speaks_against_is_taken(
    model_format: str, renamed: bool, fields: dict[str, Any], lacking: set[str], expected: str
) -> None:
    assert chosen(served(model_format, renamed), ALL - lacking, **fields) == expected


@pytest.mark.parametrize(
    ("model_format", "renamed", "fields", "installed", "reason"),
    [
        ("tensorrt", False, {}, ALL, "tensorrt backend does not run it on a cpu"),
        ("tensorrt", False, {"device": "gpu"}, {"python"}, "tensorrt backend is not part of this Triton installation"),
        ("tensorrt", True, {"device": "gpu"}, ALL, "tensorrt backend knows 'input_2:0' only, not 'audio'"),
        ("savedmodel", False, {"device": "gpu"}, ALL, "python backend with openvino does not run it on a gpu"),
        ("onnx", False, {"precision": "bf16"}, ALL, "python backend with onnxruntime cannot be held to bf16"),
        ("savedmodel", False, {}, {"openvino"}, "openvino backend cannot be held to fp32"),
    ],
)
def test_where_there_is_no_way_each_one_says_why(
    model_format: str, renamed: bool, fields: dict[str, Any], installed: set[str], reason: str
) -> None:
    with pytest.raises(Refused) as caught:
        choose_way(served(model_format, renamed), option(**fields), installed)
    assert reason in caught.value.message
    assert "an-option" in caught.value.message


def test_an_installation_has_the_backends_whose_folders_it_has(tmp_path: Path) -> None:
    for name in ("python", "onnxruntime"):
        (tmp_path / name).mkdir()
    (tmp_path / "README").touch()
    assert TritonInstallation(tmp_path / "tritonserver", tmp_path).backend_names() == {"python", "onnxruntime"}


def test_what_was_served_before_there_were_settings_for_it_is_served_the_same_way() -> None:
    for model_format, runtime in (("onnx", "onnxruntime"), ("savedmodel", "openvino")):
        way = choose_way(served(model_format, True), HardwareOption.model_validate({"name": "cpu-1x1"}), {"python"})
        assert (way.backend, way.runtime) == ("python", runtime)


def test_a_model_with_a_scalar_goes_to_the_python_backend() -> None:
    assert chosen(served("onnx", scalars=("rate",)), ALL) == "python/onnxruntime"
    with pytest.raises(Refused, match="onnxruntime backend takes no scalar, as 'rate' is"):
        chosen(served("onnx", scalars=("rate",)), {"onnxruntime"})
