"""A folder's files: their digests are of what was listed, or it is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from seatrial.errors import UploadRefused
from seatrial.settings import TreeLimits
from seatrial.storage.local import digest_stream
from seatrial.uploads import tree
from seatrial.uploads.send import Parcel
from seatrial.uploads.tree import Tree

CHANGES: dict[str, Callable[[Path], object]] = {
    "longer": lambda folder: (folder / "b").write_bytes(b"more"),
    "gone": lambda folder: (folder / "b").unlink(),
    "new": lambda folder: (folder / "c").touch(),
    "the one that was read": lambda folder: (folder / "a").write_bytes(b"more"),
    "a link": lambda folder: ((folder / "b").unlink(), (folder / "b").symlink_to("a")),
    "a FIFO": lambda folder: ((folder / "b").unlink(), os.mkfifo(folder / "b")),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "ab":
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_while_files_are_read_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    changes = [CHANGES[change]]

    def digest(file: BinaryIO) -> str:
        found = digest_stream(file)
        while changes:
            changes.pop()(folder)
        return found

    monkeypatch.setattr(tree, "digest_stream", digest)
    with pytest.raises(UploadRefused, match=r"changed while|is a symbolic link|is a FIFO"):
        Parcel.of(folder)


def test_a_folder_is_listed_before_its_files_are_read_and_after(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(tree, "_items", lambda *given, found=tree._items: seen.append("list") or found(*given))
    monkeypatch.setattr(tree, "digest_stream", lambda file: seen.append("read") or digest_stream(file))
    assert Parcel.of(folder).sizes == {"a": 1, "b": 1}
    assert seen == ["list", "read", "read", "list"]


def test_a_file_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(file: BinaryIO) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tree, "digest_stream", fail)
    with pytest.raises(UploadRefused, match=r"^a: cannot be read: Permission denied"):
        Tree.of(folder, TreeLimits()).digests()
