"""An upload as a source, on folders and on a real HDFS: what is listed, fetched, refused, and copied by digest."""

from __future__ import annotations

import hashlib
import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.errors import Refused, TryAgain, UploadRefused
from seatrial.settings import TreeLimits
from seatrial.storage.local import CHUNK
from seatrial.uploads.roots import open_roots
from seatrial.uploads.source import Upload
from seatrial.waiting import Deadline
from tests.storages import Place, acting, bytes_below

LIMITS = TreeLimits(files=12, bytes=5 * CHUNK)
BIG = b"0123456789abcdef" * (3 * CHUNK // 16)
CONTENT = {"model.yaml": b"name: tiny", "model.onnx": BIG, "samples/a b.npz": b"a", "samples/empty": b""}


@pytest.fixture
def upload(place: Place) -> Upload:
    """An upload of CONTENT, found by its name."""
    for path, data in {**CONTENT, "_SUCCESS": b""}.items():
        place.put(f"team/tiny 1/{path}", data)
    [root] = roots = open_roots([place.url])
    return Upload.at(roots, root.name_of("team/tiny 1"))


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def soon() -> Deadline:
    return Deadline.after(60)


def test_a_fetched_upload_has_all_files_and_no_marker(upload: Upload, into: Path) -> None:
    found = upload.fetch(into, soon(), LIMITS)
    assert bytes_below(into) == CONTENT
    assert {path: facts.size for path, facts in found.items()} == {path: len(data) for path, data in CONTENT.items()}
    assert list(found) == sorted(CONTENT)
    upload.check_unchanged(found, LIMITS)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (TreeLimits(files=4, bytes=5 * CHUNK), "too many files"),  # four files and a folder
        (TreeLimits(files=5, bytes=3 * CHUNK), "too large"),
    ],
)
def test_nothing_is_opened_of_an_upload_beyond_the_limits(
    upload: Upload, into: Path, limits: TreeLimits, said: str
) -> None:
    opened: list[str] = []
    watched = acting(upload, "", lambda: opened.append("one"))
    with pytest.raises(UploadRefused, match=said):
        watched.fetch(into, soon(), limits)
    assert (opened, bytes_below(into)) == ([], {})
    upload.fetch(into, soon(), TreeLimits(files=5, bytes=sum(map(len, CONTENT.values()))))


@pytest.mark.parametrize("name", ["a\\b", "-rf", "{{ x }}", "con", "x.", "ﬁle"])
def test_names_that_an_upload_may_not_have_are_refused_before_anything_is_opened(
    upload: Upload, place: Place, into: Path, name: str
) -> None:
    place.force(f"team/tiny 1/samples/{name}")
    with pytest.raises(UploadRefused) as raised:
        upload.fetch(into, soon(), LIMITS)
    assert (raised.value.fields["file"], raised.value.fields["field"]) == ("samples", "file name")
    assert bytes_below(into) == {}


def test_names_that_differ_in_case_only_are_refused(upload: Upload, place: Place, into: Path) -> None:
    place.put("team/tiny 1/Model.onnx", b"x")
    with pytest.raises(UploadRefused, match="in case only"):
        upload.fetch(into, soon(), LIMITS)


CHANGES: dict[str, Callable[[Place], object]] = {
    "overwritten": lambda place: place.put("team/tiny 1/model.yaml", b"name: evil"),
    "longer": lambda place: place.overwrite("team/tiny 1/model.onnx", BIG + b"x"),
    "shorter": lambda place: place.overwrite("team/tiny 1/samples/a b.npz", b""),
    "new": lambda place: place.put("team/tiny 1/new", b"x"),
    "gone": lambda place: place.storage.remove("team/tiny 1/samples/empty"),
    "all gone": lambda place: place.storage.remove_folder("team/tiny 1"),
    "moved away": lambda place: place.storage.rename_folder("team/tiny 1", "away"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_upload_that_changes_while_it_is_fetched_is_refused(
    upload: Upload, place: Place, into: Path, change: str
) -> None:
    changing = acting(upload, "model.onnx", lambda: CHANGES[change](place))
    with pytest.raises(UploadRefused, match=r"changed while|no such folder"):
        changing.fetch(into, soon(), LIMITS)


@pytest.mark.parametrize("change", CHANGES)
def test_an_upload_that_changes_after_it_was_fetched_is_told(
    upload: Upload, place: Place, into: Path, change: str
) -> None:
    before = upload.fetch(into, soon(), LIMITS)
    CHANGES[change](place)
    with pytest.raises(UploadRefused, match=r"changed while|no such folder"):
        upload.check_unchanged(before, LIMITS)


def test_the_same_bytes_written_again_are_a_change(upload: Upload, place: Place, into: Path) -> None:
    before = upload.fetch(into, soon(), LIMITS)
    place.put("team/tiny 1/model.yaml", CONTENT["model.yaml"])
    with pytest.raises(UploadRefused, match=r"model\.yaml: changed while"):
        upload.check_unchanged(before, LIMITS)


def test_of_a_file_that_grows_no_more_is_written_than_was_listed(upload: Upload, place: Place, into: Path) -> None:
    grown = replace(upload.files(LIMITS)["model.onnx"], size=CHUNK + 1)
    with pytest.raises(UploadRefused, match="changed while"):
        upload._fetch("model.onnx", grown.size, into / "model.onnx", soon())
    assert (into / "model.onnx").stat().st_size <= CHUNK + 1


def test_no_space_and_no_time_are_matters_of_trying_again(
    upload: Upload, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TryAgain, match="the time to fetch it ran out"):
        upload.fetch(into, Deadline.after(0), LIMITS)
    few = shutil.disk_usage(into)._replace(free=len(BIG))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: few)
    with pytest.raises(TryAgain, match=f"{len(BIG)} are free"):
        upload.fetch(into, soon(), LIMITS)


def test_a_disk_that_takes_no_more_meanwhile_is_a_matter_of_trying_again(upload: Upload, into: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK, before[1]))
    try:
        with pytest.raises(TryAgain, match=r"model\.onnx could not be fetched"):
            upload.fetch(into, soon(), LIMITS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_no_upload_is_refused(place: Place, upload: Upload, into: Path) -> None:
    for path in ("team/no", "no/no"):
        with pytest.raises(UploadRefused, match="no such folder"):
            Upload(upload.root, path).fetch(into, soon(), LIMITS)
    for path in ("team", "team/tiny 1/model.onnx"):
        with pytest.raises(Refused):
            Upload(upload.root, path).fetch(into, soon(), TreeLimits(files=3, bytes=10))


def test_a_file_is_copied_with_the_bytes_that_were_checked_or_not_at_all(
    upload: Upload, place: Place, into: Path
) -> None:
    files = {path: hashlib.sha256(data).hexdigest() for path, data in CONTENT.items()}
    upload.source.copy_all(files, into / "all")
    assert bytes_below(into / "all") == CONTENT
    place.overwrite("team/tiny 1/model.onnx", BIG[:-1] + b"x")
    place.storage.remove("team/tiny 1/samples/a b.npz")
    for path in ("model.onnx", "samples/a b.npz", "samples", "no"):
        with pytest.raises(UploadRefused, match="changed while"):
            upload.source.copy(path, files.get(path, "0" * 64), into / path)
    assert bytes_below(into).keys() == {f"all/{path}" for path in CONTENT}
    sizes = {path: upload.source.size(path) for path in ("model.onnx", "samples", "samples/a b.npz", "no/no")}
    assert sizes == {"model.onnx": len(BIG), "samples": None, "samples/a b.npz": None, "no/no": None}
