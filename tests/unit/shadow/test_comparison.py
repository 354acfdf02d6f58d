"""Each kind of output: what agrees, what does not, and that the worst place is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.shadow.boxes import ious
from seatrial.shadow.comparison import compare_tensors
from seatrial.shadow.finding import TensorComparison
from seatrial.shadow.limits import Limits, limits_for
from seatrial.tensors import Array, Tensors

random = np.random.default_rng(7)


def limits(**outputs: Any) -> Limits:
    return limits_for({"outputs": outputs})


def one(reference: Array, candidate: Array, **kind: Any) -> TensorComparison:
    (found,) = compare_tensors({"y": reference}, {"y": candidate}, limits(y=kind))
    return found


def scores(*rows: list[float]) -> Array:
    return np.array(rows, np.float32)


# labels


def test_the_class_decides_not_its_score() -> None:
    assert one(scores([0.1, 0.9]), scores([0.4, 0.6]), kind="label").passed


def test_another_class_is_named_with_both_scores() -> None:
    found = one(scores([0.9, 0.1], [0.2, 0.8]), scores([0.9, 0.1], [0.7, 0.3]), kind="label")
    assert (found.flaw, found.worst_index, found.share) == ("label", (1,), 0.5)
    assert (found.expected, found.got) == ("class 1 (0.8)", "class 0 (0.7)")


def test_a_tie_agrees_with_either_class() -> None:
    assert one(scores([0.5, 0.5, 0.1]), scores([0.4, 0.6, 0.1]), kind="label").passed


def test_so_many_rows_may_have_another_class() -> None:
    a = np.eye(4, dtype=np.float32)[[0, 1, 2, 3] * 5]
    b = a.copy()
    b[0] = [0, 1, 0, 0]
    assert not one(a, b, kind="label").passed
    assert one(a, b, kind="label", rows=0.95).passed


def test_labels_that_are_numbers_already_are_compared_exactly() -> None:
    assert one(np.array([3, 1]), np.array([3, 2]), kind="label").flaw == "values"


# rankings


def test_the_first_items_count_in_any_order() -> None:
    a = scores([9, 8, 7, 1, 0])
    assert one(a, scores([7, 8, 9, 0, 1]), kind="ranking", top=3).passed
    found = one(a, scores([9, 8, 0, 7, 1]), kind="ranking", top=3)
    assert found.flaw == "ranking"
    assert found.share == pytest.approx(2 / 3)
    assert found.got == "67% of them: 0, 1, 3"


def test_a_tie_at_the_last_place_agrees() -> None:
    assert one(scores([9, 7, 7, 1]), scores([9, 6, 8, 1]), kind="ranking", top=2, overlap=1.0).passed


def test_ids_are_ranked_as_they_come() -> None:
    ids = np.array([[5, 3, 8, 1]])
    assert one(ids, np.array([[3, 5, 1, 8]]), kind="ranking", top=2, overlap=1.0).passed
    assert not one(ids, np.array([[3, 8, 5, 1]]), kind="ranking", top=2, overlap=1.0).passed


# embeddings


@given(st.floats(0.1, 100))
def test_length_does_not_count_for_a_direction(times: float) -> None:
    a = random.normal(size=(3, 8)).astype(np.float32)
    assert one(a, (a * np.float32(times)), kind="embedding").passed


def test_the_vector_that_turned_most_is_named() -> None:
    a = np.eye(3, dtype=np.float32)
    b = a.copy()
    b[2] = [0, 1, 1]
    found = one(a, b, kind="embedding")
    assert (found.flaw, found.worst_index) == ("direction", (2,))
    assert found.share == pytest.approx(0.5**0.5)


def test_two_zero_vectors_are_the_same_and_one_is_not() -> None:
    zero = np.zeros((1, 4), np.float32)
    assert one(zero, zero, kind="embedding").passed
    assert not one(zero, zero + 1, kind="embedding").passed


# boxes


def detected(*boxes: tuple[list[float], float, int]) -> Tensors:
    return {
        "boxes": np.array([box for box, _, _ in boxes], np.float32).reshape(-1, 4),
        "scores": np.array([score for _, score, _ in boxes], np.float32),
        "labels": np.array([label for _, _, label in boxes], np.int64),
    }


BOXES = {"kind": "boxes", "scores": "scores", "labels": "labels"}
CAT, DOG = ([0.0, 0.0, 10.0, 10.0], 0.9, 1), ([20.0, 20.0, 30.0, 40.0], 0.8, 2)


def of_boxes(reference: Tensors, candidate: Tensors, **more: Any) -> TensorComparison:
    (found,) = compare_tensors(reference, candidate, limits(boxes={**BOXES, **more}))
    return found


def test_boxes_come_in_any_order() -> None:
    assert of_boxes(detected(CAT, DOG), detected(DOG, CAT)).passed


@pytest.mark.parametrize(
    "other",
    [
        detected(CAT),
        detected(CAT, (DOG[0], 0.8, 1)),
        detected(CAT, ([25.0, 25.0, 35.0, 45.0], 0.8, 2)),
        detected(CAT, (DOG[0], 0.5, 2)),
        detected(CAT, DOG, DOG),
    ],
    ids=["lost", "another label", "elsewhere", "another score", "found twice"],
)
def test_a_box_that_is_lost_moved_or_another_thing_is_a_mismatch(other: Tensors) -> None:
    found = of_boxes(detected(CAT, DOG), other)
    assert found.flaw == "boxes"
    assert found.share < 0.9


def test_the_box_without_a_counterpart_is_shown() -> None:
    found = of_boxes(detected(CAT, DOG), detected(CAT))
    assert found.expected == "2 boxes; unmatched [20, 20, 30, 40] score 0.8"
    assert found.got == "1 boxes, all matched"


def test_padding_is_no_box() -> None:
    padding = ([0.0, 0.0, 0.0, 0.0], 0.0, -1)
    assert of_boxes(detected(CAT), detected(CAT, padding, padding), least_score=0.1).passed


def test_nothing_found_twice_is_the_same() -> None:
    assert of_boxes(detected(), detected()).passed
    assert not of_boxes(detected(), detected(CAT)).passed


def test_centre_and_size_say_the_same_as_corners() -> None:
    centre = {**detected(CAT), "boxes": np.array([[5.0, 5.0, 10.0, 10.0]], np.float32)}
    assert of_boxes(centre, centre, corners="cxcywh").passed
    moved = {**centre, "boxes": np.array([[9.0, 5.0, 10.0, 10.0]], np.float32)}
    assert not of_boxes(centre, moved, corners="cxcywh").passed


BOX = st.tuples(*[st.floats(-50, 50)] * 2, *[st.floats(0.1, 50)] * 2).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)


@given(st.lists(BOX, min_size=1, max_size=5), st.lists(BOX, min_size=1, max_size=5))
def test_overlap_is_symmetric_and_full_only_with_itself(a: list[list[float]], b: list[list[float]]) -> None:
    first, second = np.array(a), np.array(b)
    found = ious(first, second)
    assert np.allclose(found, ious(second, first).T)
    assert np.all((found >= 0) & (found <= 1 + 1e-9))
    assert np.allclose(np.diag(ious(first, first)), 1)


def test_without_scores_there_is_nothing_to_compare() -> None:
    (found,) = compare_tensors(detected(CAT), {"boxes": detected(CAT)["boxes"]}, limits(boxes=BOXES))
    assert found.flaw == "missing layer"


# texts


def texts(*values: str) -> Array:
    return np.array([value.encode() for value in values], object)


def test_a_text_may_differ_by_so_many_edits() -> None:
    a, b = texts("straße", "hello"), texts("strasse", "hello")
    assert one(a, b, kind="text").flaw == "text"
    assert one(a, b, kind="text", edits=0.3).passed
    found = one(a, b, kind="text")
    assert (found.worst_index, found.expected, found.got) == ((0,), "'straße'", "'strasse'")


def test_bytes_that_are_no_utf_8_are_compared_all_the_same() -> None:
    a = np.array([b"\xff\x00"], object)
    assert one(a, a.copy(), kind="text").passed


# values


def test_rows_that_are_a_set_may_come_in_another_order() -> None:
    a = random.normal(size=(6, 3)).astype(np.float32)
    assert not one(a, a[::-1].copy(), kind="values").passed
    assert one(a, a[::-1].copy(), kind="values", order="any").passed


def test_an_output_may_have_a_tolerance_of_its_own() -> None:
    a, b = np.ones(4, np.float32), np.full(4, 1.05, np.float32)
    found = compare_tensors({"x": a, "y": a}, {"x": b, "y": b}, limits(y={"kind": "values", "rtol": 0.1}))
    assert [each.passed for each in found] == [False, True]


@pytest.mark.parametrize("part", ["boxes", "scores"])
def test_a_nan_that_production_has_nowhere_is_a_mismatch_though_its_box_would_be_left_out(part: str) -> None:
    padding = ([0.0, 0.0, 0.0, 0.0], 0.0, 0)
    boxes = [CAT] * 30
    other = detected(*boxes, padding)
    other[part][-1] = np.nan
    assert of_boxes(detected(*boxes, padding), other, least_score=0.1).flaw == "NaN or Inf"
    assert of_boxes(other, other, least_score=0.1).passed


# all of them


@pytest.mark.parametrize("kind", ["label", "ranking", "embedding", "values"])
def test_a_nan_is_a_mismatch_of_every_kind(kind: str) -> None:
    a = random.normal(size=(2, 20)).astype(np.float32)
    b = a.copy()
    b[1, 3] = np.nan
    found = one(a, b, kind=kind)
    assert (found.flaw, found.worst_index) == ("NaN or Inf", (1, 3))


@pytest.mark.parametrize("kind", ["label", "ranking", "embedding", "values", "text"])
def test_another_shape_is_a_mismatch_of_every_kind(kind: str) -> None:
    a = texts("a", "b") if kind == "text" else np.zeros((2, 20), np.float32)
    assert one(a, a[:1], kind=kind).flaw == "shape"


@pytest.mark.parametrize("kind", ["label", "ranking", "embedding", "values"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (0, 3)], ids=str)
def test_a_single_number_or_nothing_at_all_is_compared_as_numbers(kind: str, shape: tuple[int, ...]) -> None:
    assert one(np.ones(shape, np.float32), np.ones(shape, np.float32), kind=kind).passed


@pytest.mark.parametrize("kind", ["label", "ranking", "embedding", "values"])
def test_text_is_compared_exactly_whatever_is_said_of_it(kind: str) -> None:
    assert one(texts("a", "b"), texts("a", "b"), kind=kind).passed
    assert one(texts("a", "b"), texts("a", "c"), kind=kind).flaw == "values"


def test_boxes_with_fewer_scores_than_boxes_cannot_be_compared() -> None:
    other = {**detected(CAT, DOG), "scores": np.ones(1, np.float32)}
    assert of_boxes(detected(CAT, DOG), other).flaw == "shape"
    assert of_boxes(detected(CAT), {**detected(CAT), "boxes": np.ones(5, np.float32)}).flaw == "shape"
