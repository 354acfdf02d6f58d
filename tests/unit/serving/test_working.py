"""An instance says since when it works, and whatever a model writes in that place does no harm."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from seatrial.serving.runtime.working import PATTERN, Working, longest_s


def test_the_longest_work_of_all_instances_is_told_and_none_when_it_is_done(tmp_path: Path) -> None:
    first, second = Working(tmp_path, "tiny_0_0"), Working(tmp_path, "tiny_0_1")
    marks = list(tmp_path.glob(PATTERN))
    assert len(marks) == 2
    with first:
        began = time.monotonic()
        with second:
            assert longest_s(marks, began + 7.0) >= 7.0
        assert longest_s(marks, began + 7.0) >= 7.0, "the other one has ended"
    assert longest_s(marks, began + 7.0) == 0.0


def test_work_that_fails_is_done(tmp_path: Path) -> None:
    working = Working(tmp_path, "tiny_0_0")
    with pytest.raises(ZeroDivisionError), working:
        _ = 1 / 0
    assert longest_s(tmp_path.glob(PATTERN), time.monotonic() + 7.0) == 0.0


def test_what_is_no_moment_is_no_work_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "working-pipe")
    (tmp_path / "working-short").write_bytes(b"x")
    (tmp_path / "working-folder").mkdir()
    (tmp_path / "working-link").symlink_to("/dev/zero")
    assert longest_s([*tmp_path.glob(PATTERN), tmp_path / "working-gone"], time.monotonic()) == 0.0
