"""A captured request that was kept without private layers can be sent again."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.served_model import ServedModel
from seatrial.steps.requests import completed
from seatrial.tensors import Signature, TensorSpec

SERVED = ServedModel(
    name="tiny",
    version=2,
    format="onnx",
    main_file="model.onnx",
    files={},
    signature=Signature(
        inputs=(TensorSpec("x", "FP32", (-1, 4)), TensorSpec("user", "BYTES", (-1,)), TensorSpec("k", "INT64", (1,))),
        outputs=(),
    ),
)
STAND_INS = {"user": np.array([b"somebody"], np.object_)}
K = np.array([3])


@pytest.mark.parametrize("rows", [1, 3])
def test_the_samples_layer_stands_in_as_many_rows_as_the_request_has(rows: int) -> None:
    found = completed({"x": np.ones((rows, 4), np.float32), "k": K}, SERVED, STAND_INS)
    assert found is not None
    assert found["user"].tolist() == [b"somebody"] * rows


def test_what_was_kept_whole_is_sent_as_it_was() -> None:
    whole = {"x": np.ones((2, 4), np.float32), "k": K, "user": np.array([b"a", b"b"], np.object_)}
    assert completed(whole, SERVED, STAND_INS) == whole


@pytest.mark.parametrize("kept", [{"x": np.ones((1, 4), np.float32)}, {"k": K, "other": K}, {}])
def test_a_request_of_other_layers_is_none_of_this_version(kept: dict[str, np.ndarray]) -> None:  # type: ignore[type-arg]
    assert completed(kept, SERVED, STAND_INS) is None
