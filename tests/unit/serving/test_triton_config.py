"""config.pbtxt, held against golden files and against Triton's own schema.

Native backends are not run in this project's tests: their configurations are golden files only.
`python -m tests.unit.serving.test_triton_config` writes the files anew; read the difference before you believe it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving.triton_config import model_config
from seatrial.tensors import Signature, Tensors, TensorSpec

GOLDEN = Path(__file__).parent / "golden"
OWN_NAMES = Signature((TensorSpec("audio", "FP32", (-1, 43844, 1)),), (TensorSpec("note", "FP32", (-1, 172, 88)),))
SERVED = ServedModel(
    name="pitch",
    version=3,
    format="onnx",
    main_file="model.onnx",
    files={"model.onnx": "0" * 64},
    signature=OWN_NAMES,
    layers={"audio": "audio", "note": "note"},
)
RENAMED = SERVED.model_copy(update={"layers": {"audio": "serving_default_input_2:0", "note": "note"}})
SAVED = SERVED.model_copy(
    update={"format": "savedmodel", "main_file": "saved_model", "files": {"saved_model/saved_model.pb": "0" * 64}}
)
PLAN = SERVED.model_copy(update={"format": "tensorrt", "main_file": "model.plan", "files": {"model.plan": "0" * 64}})
TEXT = SERVED.model_copy(
    update={"signature": Signature((TensorSpec("words", "BYTES", (-1, 2)),), (TensorSpec("n", "INT64", (-1, 1)),))}
)
AUDIO = np.zeros((2, 43844, 1), np.float32)
ALL = ("python", "onnxruntime", "openvino", "tensorflow", "tensorrt")


@dataclass(frozen=True)
class Case:
    served: ServedModel
    option: dict[str, Any]
    installed: tuple[str, ...] = ("python",)
    samples: tuple[Tensors, ...] = ()

    def text(self) -> str:
        option = HardwareOption.model_validate({"name": "option", "cores": 2, "threads": 2, **self.option})
        return model_config(self.served, option, self.installed, self.samples).text


GPU = {"device": "gpu", "gpu": "T4"}
BATCH = {"max_batch": 8, "max_queue_delay_us": 500}
CASES = {
    "python-onnx": Case(RENAMED, {}),
    "python-onnx-batching-warm": Case(RENAMED, {**BATCH, "instances": 2}, samples=({"audio": AUDIO},)),
    "python-onnx-gpu": Case(RENAMED, GPU, ALL),
    "python-onnx-warm": Case(RENAMED, {}, samples=({"audio": AUDIO}, {"audio": AUDIO[:1]})),
    "python-savedmodel-bf16": Case(SAVED, {"precision": "bf16"}),
    "python-text-warm": Case(TEXT, {}, samples=({"words": np.array([["a", "née"]])},)),
    "onnxruntime-batching": Case(SERVED, BATCH, ALL),
    "onnxruntime-gpu": Case(SERVED, GPU, ALL),
    "openvino-bf16": Case(SAVED, {"precision": "bf16"}, ALL),
    "tensorflow": Case(SAVED, {"instances": 2}, ALL),
    "tensorrt-batching": Case(PLAN, {**GPU, **BATCH}, ALL),
}


def golden(name: str) -> Path:
    return GOLDEN / f"{name}.pbtxt"


@pytest.mark.parametrize("name", CASES)
def test_the_configuration_is_the_golden_file(name: str) -> None:
    assert CASES[name].text() == golden(name).read_text()


def test_every_golden_file_belongs_to_a_case() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_tritons_own_schema_reads_it(name: str) -> None:
    parsed = text_format.Parse(CASES[name].text(), model_config_pb2.ModelConfig())
    case = CASES[name]
    assert parsed.name == "pitch"
    assert [list(entry.dims) for entry in parsed.input] == [
        list(spec.shape[1:] if parsed.max_batch_size else spec.shape) for spec in case.served.signature.inputs
    ]
    assert len(parsed.model_warmup) == 0 or all(entry.batch_size >= 1 for entry in parsed.model_warmup), (
        "Triton skips a warm-up with batch size 0"
    )


@given(st.text(max_size=20))
def test_no_name_can_escape_its_quotes(text: str) -> None:
    evil = SERVED.model_copy(update={"layers": {"audio": f'"}} backend: "evil{text}'}, "main_file": text})
    for installed in (("python",), ALL):
        written = Case(evil, {}, installed).text()
        parsed = text_format.Parse(written, model_config_pb2.ModelConfig())
        assert parsed.backend == "python", "a renamed layer keeps it off the native backend"
        assert json.loads(parsed.parameters["seatrial"].string_value)["main_file"] == text


@pytest.mark.parametrize(
    "shape",
    [(4, 3), (-1,), (1, -1)],
)
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_batching_is_refused_for_a_layer_without_a_batch_axis(shape: tuple[int, ...], side: str) -> None:
    odd = Signature(
        (*OWN_NAMES.inputs, *((TensorSpec("odd", "FP32", shape),) if side == "inputs" else ())),
        (*OWN_NAMES.outputs, *((TensorSpec("odd", "FP32", shape),) if side == "outputs" else ())),
    )
    served = SERVED.model_copy(update={"signature": odd})
    with pytest.raises(Refused, match="'odd' has no batch axis") as caught:
        Case(served, BATCH).text()
    assert caught.value.fields["option"] == "option"
    assert "max_batch_size: 0" in Case(served, {}).text(), "without batching it is served as it is"


def test_a_delay_without_batches_is_refused_for_it_would_do_nothing() -> None:
    with pytest.raises(ValueError, match="max_queue_delay_us needs max_batch above 1"):
        Case(SERVED, {"max_queue_delay_us": 500}).text()


def test_a_layer_without_dimension_an_unknown_dtype_and_a_name_that_names_no_folder_are_refused() -> None:
    scalar = Signature((TensorSpec("x", "FP32", ()),), OWN_NAMES.outputs)
    with pytest.raises(Refused, match="no dimension"):
        Case(SERVED.model_copy(update={"signature": scalar}), {}).text()
    unknown = Signature((TensorSpec("x", "BF8", (-1,)),), OWN_NAMES.outputs)
    with pytest.raises(Refused, match="no dtype 'BF8'"):
        Case(SERVED.model_copy(update={"signature": unknown}), {}).text()
    with pytest.raises(Refused, match="cannot name a folder"):
        Case(SERVED.model_copy(update={"name": "../up"}), {}).text()


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for known in CASES:
        golden(known).write_text(CASES[known].text())
