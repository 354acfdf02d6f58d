from __future__ import annotations

from seatrial.uploads.done import CompleteUpload, field_of, record_of
from seatrial.uploads.pending import CONFIRMED_IN_S, Pending

A, A_AGAIN, B = CompleteUpload("/u/a", "a1", 1), CompleteUpload("/u/a", "a2", 2), CompleteUpload("/u/b", "b1", 1)


def kept(*uploads: CompleteUpload) -> dict[str, str]:
    return {field_of(upload.name): record_of(upload) for upload in uploads}


def test_an_upload_is_told_once_and_one_that_had_its_run_never() -> None:
    pending = Pending(kept(B))
    assert pending.fresh([A, B], 0) == [A]
    assert pending.fresh([A, B], 1) == []
    assert pending.confirmed(B.name) == B


def test_an_upload_that_was_overwritten_is_told_again() -> None:
    pending = Pending(kept(A))
    assert pending.fresh([A_AGAIN], 0) == [A_AGAIN]
    assert Pending({}).fresh([A, A_AGAIN], 0) == [A, A_AGAIN]


def test_what_is_not_on_record_in_time_is_told_again() -> None:
    pending = Pending({})
    pending.fresh([A, B], 0)
    assert pending.overdue(CONFIRMED_IN_S - 1) == []
    overdue = pending.overdue(CONFIRMED_IN_S)
    assert overdue == [A, B]
    assert pending.again(overdue, kept(B), CONFIRMED_IN_S) == [A]
    assert pending.confirmed(B.name) == B
    assert pending.overdue(2 * CONFIRMED_IN_S - 1) == []
    assert pending.overdue(2 * CONFIRMED_IN_S) == [A], "until it is on record"


def test_what_is_on_record_as_it_was_before_is_told_again_as_it_is() -> None:
    pending = Pending(kept(A))
    pending.fresh([A_AGAIN], 0)
    assert pending.again(pending.overdue(CONFIRMED_IN_S), kept(A), CONFIRMED_IN_S) == [A_AGAIN]
