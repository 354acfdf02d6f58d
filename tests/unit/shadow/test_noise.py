"""How an output varies is named, so that the manifest can say it."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.shadow.limits import limits_for
from seatrial.shadow.noise import how_it_varies
from seatrial.tensors import Array

ROWS = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)


@pytest.mark.parametrize(
    ("again", "said"),
    [
        (ROWS[::-1].copy(), "order: any"),
        (ROWS * np.float32(1.1), "kind: label"),
        (ROWS.copy()[:, ::-1], ""),
    ],
    ids=["another order", "other scores", "by chance"],
)
def test_the_way_is_named(again: Array, said: str) -> None:
    found = how_it_varies("y", {"y": ROWS}, {"y": again}, limits_for({}))
    assert said in found if said else found == ""
