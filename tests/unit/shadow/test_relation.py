"""How a version relates to the one before, by what it is made of."""

from __future__ import annotations

import pytest

from seatrial.formats.weights import Weight, Weights, weights_of
from seatrial.shadow.relation import Built, class_alone, class_of


def weights(digest: str, **formats: int) -> Weights:
    return Weights(formats=formats, digest=digest)


FP32 = weights("a", FP32=2)
BEFORE = Built("onnx", "1", FP32)


@pytest.mark.parametrize(
    ("now", "expected", "why"),
    [
        (Built("onnx", "1", FP32), "same-graph-fp32", "the files are the same"),
        (Built("onnx", "2", FP32), "same-graph-fp32", "the weights are those in Production, the graph differs"),
        (Built("savedmodel", "2", weights("b", FP32=2)), "same-graph-fp32", "the format was onnx and is savedmodel"),
        (Built("onnx", "2"), "same-graph-fp32", "it shows no weights"),
        (Built("onnx", "2", weights("b", FP16=2)), "same-graph-fp16", "were FP32 and are FP16"),
        (Built("savedmodel", "2", weights("b", FP16=2)), "same-graph-fp16", "most weights are FP16"),
        (Built("onnx", "2", weights("b", BF16=2)), "same-graph-bf16", "were FP32 and are BF16"),
        (Built("onnx", "2", weights("b", INT8=2, FP32=1)), "quantised", "were FP32 and are INT8"),
        (Built("onnx", "2", weights("b", FP32=2)), "retrained", "the weights differ"),
        (Built("tensorrt", "2"), "same-graph-fp16", "computes in TF32 or FP16"),
        (Built("onnx", "2", layers=frozenset(["FP16"])), "same-graph-fp16", "layers are FP16"),
    ],
)
def test_what_changed_says_the_class_and_why(now: Built, expected: str, why: str) -> None:
    found, said = class_of(BEFORE, now)
    assert found == expected
    assert why in said


def test_half_precision_that_stays_half_has_its_tolerance() -> None:
    before, now = (Built("onnx", tree, weights("a", FP16=1)) for tree in ("1", "2"))
    assert class_of(before, now)[0] == "same-graph-fp16"


def test_without_production_the_weights_own_precision_says_it() -> None:
    assert class_alone(Built("onnx", "1", weights("a", BF16=3, FP32=1)))[0] == "same-graph-bf16"
    assert class_alone(BEFORE) == ("same-graph-fp32", "most weights are FP32")


def test_weights_are_told_apart_by_their_content_not_by_their_order() -> None:
    a, b = Weight("FP32", (2, 2), digest="x"), Weight("FP32", (4,), digest="y")
    other = Weight("FP32", (4,), digest="z")
    assert weights_of([a, b], {}) == weights_of([b, a], {})
    assert weights_of([a, b], {}).digest != weights_of([a, other], {}).digest


def test_what_a_network_is_exported_for_is_no_weight() -> None:
    shapes = [Weight("INT64", (4,), digest="x"), Weight("FP32", (), digest="y"), Weight("FP32", (1,), digest="z")]
    assert weights_of(shapes, {}) == Weights()


def test_weights_in_a_file_of_their_own_are_that_file() -> None:
    outside = [Weight("FP32", (9,), file="w.bin", offset=64)]
    assert weights_of(outside, {"w.bin": "1"}).digest != weights_of(outside, {"w.bin": "2"}).digest
    assert weights_of(outside, {"w.bin": "1"}) == weights_of(outside, {"w.bin": "1", "b": "2"})


def test_of_equally_many_the_smaller_format_is_the_precision() -> None:
    assert weights("a", FP32=2, FP16=2).precision == "FP16"
