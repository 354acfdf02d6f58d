"""Weights of an ONNX model: their content tells them apart, not how they are written."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from seatrial.formats.onnx_weights import onnx_weights
from seatrial.formats.weights import Weights, weights_of

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


def summary(*tensors: Any, nodes: tuple[Any, ...] = ()) -> Weights:
    graph = helper.make_graph(list(nodes), "g", [], [], list(tensors))
    return weights_of(onnx_weights(helper.make_model(graph), "model.onnx"), {})


def typed(name: str, values: Any) -> Any:
    return helper.make_tensor(name, TensorProto.FLOAT, values.shape, values.ravel().tolist())


def test_the_same_numbers_are_the_same_in_either_field_and_under_any_name() -> None:
    raw = summary(numpy_helper.from_array(VALUES, "w"))
    assert raw == summary(typed("other", VALUES))
    assert raw.formats == {"FP32": 1}
    assert raw.digest != summary(typed("w", VALUES + 1)).digest
    assert raw.digest != summary(typed("w", VALUES.reshape(3, 2))).digest


def test_shapes_and_single_numbers_are_none() -> None:
    shape = numpy_helper.from_array(np.array([-1, 3]), "shape")
    one = typed("one", np.ones(1, np.float32))
    assert summary(shape, one) == Weights()


def test_constants_and_graphs_inside_count() -> None:
    constant = helper.make_node("Constant", [], ["c"], value=typed("", VALUES))
    inside = helper.make_graph([constant], "then", [], [])
    choice = helper.make_node("If", ["x"], ["y"], then_branch=inside, else_branch=inside)
    assert summary(nodes=(constant,)) == summary(typed("w", VALUES))
    assert summary(nodes=(choice,)).formats == {"FP32": 2}


def test_precision_is_that_of_most() -> None:
    half = numpy_helper.from_array(VALUES.astype(np.float16), "h")
    integers = [numpy_helper.from_array(VALUES.astype(np.int8) + n, f"q{n}") for n in range(2)]
    assert summary(half, *integers).precision == "INT8"
