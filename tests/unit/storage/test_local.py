"""What a write has flushed by the time it returns, and in which order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seatrial.storage.local import atomic_write


@pytest.fixture
def flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths below `tmp_path` in the order of their flushes, named as they were called then."""
    found: list[str] = []
    flush = os.fsync

    def note(handle: int) -> None:
        flush(handle)
        found.append(str(Path(f"/proc/self/fd/{handle}").readlink().relative_to(tmp_path)))

    monkeypatch.setattr(os, "fsync", note)
    return found


def test_a_file_is_flushed_before_it_has_its_name_then_its_folder(tmp_path: Path, flushed: list[str]) -> None:
    atomic_write(tmp_path / "a", b"one")
    temporary, folder = flushed
    assert temporary.startswith(".writing-")
    assert folder == "."


def test_a_folder_that_is_made_for_a_file_is_flushed_with_all_above_it(tmp_path: Path, flushed: list[str]) -> None:
    atomic_write(tmp_path / "deep" / "er" / "a", b"one")
    assert {".", "deep", "deep/er"} <= set(flushed)
    flushed.clear()
    atomic_write(tmp_path / "deep" / "er" / "b", b"two")
    assert len(flushed) == 2
