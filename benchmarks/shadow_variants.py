"""A network made wrong in a known way, by surgery on its ONNX graph: for `benchmarks.shadow`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from seatrial.tensors import Array

Variant = Callable[[Any], None]
RARE = 0.01
FAILING = 0.005


def save(variant: Variant, source: Path, to: Path) -> Path:
    """The network in `source`, changed, as `to`."""
    model = onnx.load(str(source))
    variant(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(to))
    return to


def same(model: Any) -> None:
    """Nothing."""


def weights_off(relative: float) -> Variant:
    """Each weight by a normal share of itself."""

    def change(model: Any) -> None:
        random = np.random.default_rng(7)
        _each_weight(model, lambda weight: weight * (1 + relative * random.normal(size=weight.shape)))

    return change


def bf16(model: Any) -> None:
    """Weights with the 8 bits of fraction that BF16 keeps, in FP32."""
    _each_weight(model, lambda weight: ((weight.view(np.uint32) + 0x8000) & np.uint32(0xFFFF0000)).view(np.float32))


def channels_swapped(channels: tuple[int, int]) -> Variant:
    """Two places of the first output's last dimension."""

    def change(model: Any) -> None:
        output = model.graph.output[0]
        size = output.type.tensor_type.shape.dim[-1].dim_value
        order = np.arange(size)
        order[list(channels)] = order[list(reversed(channels))]
        order_name = _constant(model, "seatrial_order", order)
        _behind(model, 0, lambda inner, outer: helper.make_node("Gather", [inner, order_name], [outer], axis=-1))

    return change


def outputs_swapped(first: int, second: int) -> Variant:
    """Two outputs of one shape under each other's name."""

    def change(model: Any) -> None:
        names = [model.graph.output[number].name for number in (first, second)]
        inner = [_renamed(model, name) for name in names]
        for source, name in zip(reversed(inner), names, strict=True):
            model.graph.node.append(helper.make_node("Identity", [source], [name]))

    return change


def input_scaled(factor: float) -> Variant:
    """As when a service sends pixels of 0 to 255 to a network of 0 to 1."""

    def change(model: Any) -> None:
        name, scaled = model.graph.input[0].name, "seatrial_scaled"
        for node in model.graph.node:
            node.input[:] = [scaled if each == name else each for each in node.input]
        factor_name = _constant(model, "seatrial_factor", np.float32(factor))
        model.graph.node.insert(0, helper.make_node("Mul", [name, factor_name], [scaled]))

    return change


def rarely(times: float, share: float = RARE) -> Variant:
    """The first output times `times` for a share of all inputs, by what is in them."""

    def change(model: Any) -> None:
        chosen = _chosen(model, share)
        one, other = (_constant(model, f"seatrial_{name}", np.float32(n)) for name, n in (("one", 1), ("times", times)))
        model.graph.node.append(helper.make_node("Where", [chosen, other, one], ["seatrial_by"]))
        _behind(model, 0, lambda inner, outer: helper.make_node("Mul", [inner, "seatrial_by"], [outer]))

    return change


def failing(model: Any) -> None:
    """A share of all inputs asks for a row of a table that is not there."""
    chosen = _chosen(model, FAILING)
    table = _constant(model, "seatrial_table", np.ones(1, np.float32))
    model.graph.node.append(helper.make_node("Cast", [chosen], ["seatrial_row"], to=TensorProto.INT64))
    model.graph.node.append(helper.make_node("Gather", [table, "seatrial_row"], ["seatrial_by"]))
    _behind(model, 0, lambda inner, outer: helper.make_node("Mul", [inner, "seatrial_by"], [outer]))


def slower(products: int, size: int = 128) -> Variant:
    """So many products of two square matrices besides, which change nothing."""

    def change(model: Any) -> None:
        nothing = _constant(model, "seatrial_nothing", np.float32(0))
        unit = _constant(model, "seatrial_unit", np.eye(size, dtype=np.float32))
        nodes = [
            helper.make_node("ReduceMax", [model.graph.input[0].name], ["seatrial_most"], keepdims=0),
            helper.make_node("Add", [unit, "seatrial_most"], ["seatrial_0"]),
        ]
        for number in range(products):
            nodes.append(helper.make_node("MatMul", [f"seatrial_{number}", unit], [f"seatrial_{number + 1}"]))
        nodes.append(helper.make_node("ReduceMax", [f"seatrial_{products}"], ["seatrial_end"], keepdims=0))
        nodes.append(helper.make_node("Mul", ["seatrial_end", nothing], ["seatrial_by"]))
        model.graph.node.extend(nodes)
        _behind(model, 0, lambda inner, outer: helper.make_node("Add", [inner, "seatrial_by"], [outer]))

    return change


def _each_weight(model: Any, change: Callable[[Array], Array]) -> None:
    for weight in model.graph.initializer:
        if weight.data_type == TensorProto.FLOAT and np.prod(weight.dims) > 1:
            changed = np.asarray(change(numpy_helper.to_array(weight).copy()), np.float32)
            weight.CopyFrom(numpy_helper.from_array(changed, weight.name))


def _chosen(model: Any, share: float) -> str:
    """A boolean that is true for a share of all inputs: by the digits of their sum that chance decides."""
    source = model.graph.input[0].name
    many, limit = (
        _constant(model, "seatrial_many", np.float32(997)),
        _constant(model, "seatrial_share", np.float32(share)),
    )
    sums = [
        helper.make_node("ReduceSum", [source], ["seatrial_sum"], keepdims=0),
        helper.make_node("Mul", ["seatrial_sum", many], ["seatrial_large"]),
        helper.make_node("Floor", ["seatrial_large"], ["seatrial_whole"]),
        helper.make_node("Sub", ["seatrial_large", "seatrial_whole"], ["seatrial_rest"]),
        helper.make_node("Less", ["seatrial_rest", limit], ["seatrial_chosen"]),
    ]
    model.graph.node.extend(sums)
    return "seatrial_chosen"


def _behind(model: Any, output: int, node: Callable[[str, str], Any]) -> None:
    """Put a node between the graph and an output."""
    name = model.graph.output[output].name
    model.graph.node.append(node(_renamed(model, name), name))


def _renamed(model: Any, output: str) -> str:
    """The tensor that was an output has another name now, also where it is read inside."""
    inner = f"{output}_seatrial"
    for node in model.graph.node:
        node.output[:] = [inner if each == output else each for each in node.output]
        node.input[:] = [inner if each == output else each for each in node.input]
    return inner


def _constant(model: Any, name: str, value: Any) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return name
