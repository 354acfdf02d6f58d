from __future__ import annotations

import pytest

from seatrial.uploads.settling import EMPTY_TAKES, Observation, is_complete


def seen(mtime: int = 1, *, size: int = 10, file: str = "model.onnx", marker: bool = False) -> Observation:
    return Observation("/uploads/a", ((file, size, mtime),), marker)


@pytest.mark.parametrize(
    ("found", "after_s"),
    [
        (seen(marker=True), 0),
        (Observation("/uploads/a", (), has_marker=True), 0),
        (seen(), 5),
        (seen(size=0), 5 * EMPTY_TAKES),  # on HDFS it may be one that is being written
    ],
)
def test_an_upload_is_complete_after_some_time_and_not_before(found: Observation, after_s: float) -> None:
    assert is_complete(found, after_s, settle_s=5)
    assert not after_s or not is_complete(found, after_s - 0.001, settle_s=5)


@pytest.mark.parametrize("found", [Observation("/uploads/a", ()), seen(file="samples/a.npz._COPYING_")])
def test_an_upload_without_a_file_or_with_one_that_is_being_copied_is_never_complete(found: Observation) -> None:
    assert not is_complete(found, 10**6, settle_s=5)


def test_an_overwritten_upload_is_another_one_and_a_marked_one_is_not() -> None:
    assert seen(1).identity != seen(2).identity
    assert seen(1).identity == seen(1, marker=True).identity


def test_an_upload_is_the_same_whichever_namenodes_its_name_has() -> None:
    files = seen().files
    names = ("hdfs://one:9870/models/a", "hdfs://one:9870,two:9870/models/a", "swebhdfs://two:9871/models/a")
    assert len({Observation(name, files).identity for name in names}) == 1
    assert Observation("hdfs://one:9870/models/b", files).identity != Observation(names[0], files).identity
    assert Observation("/a/x://b/c", files).identity != Observation("/b/c", files).identity
