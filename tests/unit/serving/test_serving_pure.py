from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import Refused
from seatrial.hardware import HardwareOption
from seatrial.served_model import ServedModel
from seatrial.serving.cores import pick_cores
from seatrial.serving.triton_repository import config_pbtxt
from seatrial.tensors import Signature, TensorSpec

OPTION = HardwareOption.model_validate({"name": "cpu-2x2", "cores": 2, "threads": 2})
SERVED = ServedModel(
    name="pitch",
    version=3,
    format="onnx",
    main_file="model.onnx",
    files={"model.onnx": "0" * 64},
    signature=Signature((TensorSpec("audio", "FP32", (-1, 43844, 1)),), (TensorSpec("note", "FP32", (-1, 172, 88)),)),
    layers={"audio": "serving_default_input_2:0"},
)

GOLDEN = r"""name: "pitch"
backend: "python"
max_batch_size: 0
input {
  name: "audio"
  data_type: TYPE_FP32
  dims: [-1, 43844, 1]
}
output {
  name: "note"
  data_type: TYPE_FP32
  dims: [-1, 172, 88]
}
instance_group [ { kind: KIND_CPU count: 1 } ]
version_policy { specific { versions: 3 } }
parameters {
  key: "seatrial"
  value { string_value: "{\042layers\042: {\042audio\042: \042serving_default_input_2:0\042}, \042main_file\042: \042model.onnx\042, \042runtime\042: \042onnxruntime\042, \042threads\042: 2}" }
}
"""  # noqa: E501 - one line of a file


def test_the_configuration_is_this() -> None:
    assert config_pbtxt(SERVED, OPTION) == GOLDEN


def test_a_layer_name_cannot_escape_its_quotes() -> None:
    evil = SERVED.model_copy(update={"layers": {"audio": '"} backend: "evil'}})
    line = next(line for line in config_pbtxt(evil, OPTION).splitlines() if "string_value" in line)
    assert line.count('"') == 2
    assert json.loads('{"a": 1}')["a"] == 1


def test_a_warm_up_names_its_tensor_files() -> None:
    text = config_pbtxt(SERVED, OPTION, {"audio": np.zeros((1, 43844, 1), np.float32)})
    assert 'dims: [1, 43844, 1] input_data_file: "0"' in text


def test_a_format_without_a_runtime_is_refused() -> None:
    with pytest.raises(Refused, match="tensorrt"):
        config_pbtxt(SERVED.model_copy(update={"format": "tensorrt"}), OPTION)


@given(st.integers(1, 4), st.lists(st.sets(st.integers(0, 3), min_size=1).map(tuple), max_size=4))
def test_core_sets_are_disjoint_while_cores_are_free(count: int, taken: list[tuple[int, ...]]) -> None:
    found = pick_cores(count, range(4), taken)
    assert len(set(found)) == count
    used = {core for core_set in taken for core in core_set}
    free = set(range(4)) - used
    assert len(set(found) & free) == min(count, len(free))


def test_more_cores_than_there_are_is_refused() -> None:
    with pytest.raises(Refused, match="needs 3 cores, this machine has 2"):
        pick_cores(3, (0, 1), [])
