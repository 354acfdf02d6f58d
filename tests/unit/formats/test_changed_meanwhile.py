"""An upload that changes while it is checked is refused by the file that did, whenever that was and however it was."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import UploadRefused
from seatrial.formats import static
from seatrial.formats.sandbox import SandboxLimits
from seatrial.formats.static import check_folder
from seatrial.settings import TreeLimits
from seatrial.storage.sources import CHANGED
from seatrial.uploads.tree import Tree
from tests.models import write_upload
from tests.saved_models import write_saved_model

FILE = "notes.txt"
LONG_AGO = (1_000_000_000, 1_000_000_000)

Change = Callable[[Path], object]


def _same_size_and_times(file: Path) -> None:
    """What is left is that the kernel knows when it was changed: no call sets that."""
    file.write_text("NOTES")
    os.utime(file, LONG_AGO)


def _another_in_its_place(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("notes")
    os.utime(other, LONG_AGO)
    other.replace(file)


def _link_in_its_place(file: Path) -> None:
    file.unlink()
    file.symlink_to("/etc/passwd")


CHANGES: dict[str, tuple[Change, str, str]] = {
    "longer": (lambda file: file.write_text("notes, more"), FILE, CHANGED),
    "same size and times": (_same_size_and_times, FILE, CHANGED),
    "another file": (_another_in_its_place, FILE, CHANGED),
    "gone": (lambda file: file.unlink(), FILE, CHANGED),
    "a new file": (lambda file: (file.parent / "new").touch(), "new", CHANGED),
    "a link": (_link_in_its_place, FILE, "is a symbolic link"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("moment", ["model.yaml", "model.onnx", "samples/a.npz", "samples/b.npz"])
def test_a_change_at_any_moment_of_the_check_is_refused(tmp_path: Path, moment: str, change: str) -> None:
    folder = write_upload(tmp_path / "upload")
    (folder / FILE).write_text("notes")
    for path in folder.rglob("*"):
        os.utime(path, LONG_AGO)
    make, file, said = CHANGES[change]

    def reading(path: str) -> None:
        if path == moment:
            make(folder / FILE)

    with pytest.raises(UploadRefused) as raised:
        check_folder(Tree.of(folder, TreeLimits()), reading)
    assert (raised.value.fields["file"], raised.value.fields["reason"]) == (file, said)


def test_what_nobody_touches_passes(tmp_path: Path) -> None:
    tree = Tree.of(write_upload(tmp_path / "upload"), TreeLimits())
    assert check_folder(tree, lambda path: None).files.keys() == tree.files.keys()


def test_a_file_that_comes_while_the_model_is_looked_into_is_none_of_it(tmp_path: Path) -> None:
    folder = write_upload(tmp_path / "upload", model=False, format="savedmodel")
    write_saved_model(folder / "saved_model")

    def reading(path: str) -> None:
        if path == "saved_model":
            (folder / "saved_model" / "new").touch()

    with pytest.raises(UploadRefused, match=f"^saved_model/new: {CHANGED}"):
        check_folder(Tree.of(folder, TreeLimits()), reading)


def test_a_folder_is_listed_before_the_check_and_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_upload(tmp_path / "upload")
    listed = listings(monkeypatch)
    arguments = {"folder": str(folder), "max_files": 10, "max_bytes": 10**6, "upload": ""}
    monkeypatch.setattr(static, "narrow", lambda size, limits: None)  # would be for good
    static.check({**arguments, "sandbox": asdict(SandboxLimits())}, lambda path: None)
    assert listed == {str(folder): 2, str(folder / "samples"): 2}


def listings(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each folder was listed, from now on."""
    counted: Counter[str] = Counter()
    scandir = os.scandir

    def counting(path: Path) -> Any:
        counted[str(path)] += 1
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counting)
    return counted
