"""What is kept of live requests, in each storage: a folder and a real HDFS."""

from __future__ import annotations

import numpy as np
import pytest

from seatrial.errors import NotFound
from seatrial.manager.captures import CaptureLimits, CaptureStore
from seatrial.tensors import from_npz, to_npz
from tests.storages import Place


def request(number: int) -> bytes:
    return to_npz({"x": np.full(4, number, np.float32)})


def ids(kept: CaptureStore) -> list[str]:
    return [capture.id for capture in kept.newest("tiny", 100)]


def test_what_is_kept_is_read_again_also_by_the_next_manager(place: Place) -> None:
    first = CaptureStore(place.storage, CaptureLimits(per_model=5))
    added = {found: number for number in range(12) if (found := first.add("tiny", 1, request(number)))}
    later = CaptureStore(place.storage, CaptureLimits(per_model=5))
    assert len(ids(later)) == 5
    assert ids(later) == ids(first)
    for one in ids(later):
        assert np.array_equal(from_npz(later.read("tiny", one))["x"], np.full(4, added[one], np.float32))


def test_one_kept_aside_outlives_the_day_and_all_are_removed_at_once(place: Place) -> None:
    kept = CaptureStore(place.storage)
    offending, other = (kept.add("tiny", 1, request(number)) for number in (1, 2))
    assert offending is not None
    assert other is not None
    kept.keep_aside("tiny", offending)
    a_day_later = CaptureStore(place.storage, CaptureLimits(keep_s=-1))
    assert ids(a_day_later) == []
    assert np.array_equal(from_npz(a_day_later.read("tiny", offending))["x"], np.full(4, 1, np.float32))
    with pytest.raises(NotFound):
        a_day_later.read("tiny", other)
    a_day_later.remove("tiny")
    with pytest.raises(NotFound):
        a_day_later.read("tiny", offending)
