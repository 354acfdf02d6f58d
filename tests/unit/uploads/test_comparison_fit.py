"""What a manifest says of its outputs is refused where it cannot be said of them, naming entry and limit."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.errors import UploadRefused
from seatrial.tensors import Signature, TensorSpec
from seatrial.uploads.comparison_fit import check_outputs
from seatrial.uploads.manifest import Comparison

SIGNATURE = Signature(
    (),
    (
        TensorSpec("scores", "FP32", (-1, 10)),
        TensorSpec("ids", "INT64", (-1, 5)),
        TensorSpec("boxes", "FP32", (-1, 4)),
        TensorSpec("free", "FP16", (-1, -1)),
        TensorSpec("words", "BYTES", (-1,)),
        TensorSpec("one", "FP32", (-1, 1)),
    ),
)


def check(**outputs: dict[str, Any]) -> None:
    check_outputs(Comparison.model_validate({"outputs": outputs}).outputs, SIGNATURE, "model.yaml")


def test_what_fits_is_accepted() -> None:
    check(
        scores={"kind": "label"},
        ids={"kind": "ranking", "top": 3},
        boxes={"kind": "boxes", "scores": "one"},
        free={"kind": "embedding"},
        words={"kind": "text"},
        one={"kind": "values", "rtol": 0.1},
    )


@pytest.mark.parametrize(
    ("layer", "kind", "said"),
    [
        ("other", {"kind": "label"}, "is no output of the model (limit: one of scores, ids"),
        ("ids", {"kind": "label"}, "cannot be compared as label (limit: FP16 or FP32"),
        ("one", {"kind": "label"}, "two or more in the last dimension"),
        ("words", {"kind": "embedding"}, "cannot be compared as embedding"),
        ("words", {"kind": "ranking"}, "scores or ids"),
        ("scores", {"kind": "boxes"}, "four in the last dimension"),
        ("boxes", {"kind": "boxes", "labels": "classes"}, "comparison.outputs.boxes.labels: 'classes' is no output"),
        ("scores", {"kind": "text"}, "cannot be compared as text (limit: BYTES)"),
        ("ids", {"kind": "values", "rtol": 0.1}, "all else is compared exactly"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_entry(layer: str, kind: dict[str, Any], said: str) -> None:
    with pytest.raises(UploadRefused) as refused:
        check(**{layer: kind})
    assert str(refused.value).startswith(f"model.yaml: comparison.outputs.{layer}")
    assert said in str(refused.value)
