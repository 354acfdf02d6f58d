"""What is kept of live requests, on real folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seatrial.manager.captures import CaptureLimits, CaptureStore
from seatrial.tensors import to_npz

DATA = to_npz({"x": np.ones(4, np.float32)})


def ids(store: CaptureStore) -> list[str]:
    return [capture.id for capture in store.newest("tiny", 100)]


def files(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "tiny").iterdir())


def test_the_oldest_go_first_when_there_are_too_many(tmp_path: Path) -> None:
    store = CaptureStore(tmp_path, CaptureLimits(per_model=3))
    added = [store.add("tiny", 1, DATA) for _ in range(5)]
    assert ids(store) == added[:1:-1]
    assert files(tmp_path) == added[2:]


def test_the_oldest_go_first_when_they_are_too_large_together(tmp_path: Path) -> None:
    store = CaptureStore(tmp_path, CaptureLimits(bytes_per_model=2 * len(DATA) + 1))
    added = [store.add("tiny", 1, DATA) for _ in range(3)]
    assert files(tmp_path) == added[1:]


def test_what_has_expired_is_not_shown_and_not_kept(tmp_path: Path) -> None:
    kept = CaptureStore(tmp_path).add("tiny", 1, DATA)
    assert ids(CaptureStore(tmp_path)) == [kept]
    assert ids(CaptureStore(tmp_path, CaptureLimits(keep_s=-1))) == []
    assert files(tmp_path) == []


def test_a_manager_that_starts_again_counts_what_the_former_one_kept(tmp_path: Path) -> None:
    limits = CaptureLimits(per_model=2)
    store = CaptureStore(tmp_path, limits)
    before = [store.add("tiny", 1, DATA) for _ in range(2)]
    after = CaptureStore(tmp_path, limits).add("tiny", 2, DATA)
    assert files(tmp_path) == sorted([before[1], after])
