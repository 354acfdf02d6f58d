"""What only a folder of this machine has: symbolic links, FIFOs, and names that are no text."""

from __future__ import annotations

import os
from pathlib import Path

from seatrial.storage.folder import Folder


def test_what_is_neither_file_nor_folder_is_special_and_no_link_is_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
    (outside / "a").write_text("kept")
    os.mkfifo(root / "fifo")
    (root / "to-file").symlink_to(outside / "a")
    (root / "to-folder").symlink_to(outside)
    (root / "to-nothing").symlink_to(tmp_path / "nothing")
    storage = Folder(root)
    found = {entry.name: (entry.is_folder, entry.is_special) for entry in storage.entries("")}
    assert found == dict.fromkeys(("fifo", "to-file", "to-folder", "to-nothing"), (False, True))
    link = storage.look("to-folder")
    assert link is not None
    assert link.is_special
    assert not storage.remove_folder("to-folder")
    assert not storage.rename_folder("to-folder", "new")
    assert Folder(tmp_path).remove_folder("root")
    assert (outside / "a").read_text() == "kept"
