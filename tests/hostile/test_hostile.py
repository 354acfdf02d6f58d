"""Every upload here is refused by name, quickly, in little memory, and leaves nothing; or it is sound and passes."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from seatrial.errors import UploadRefused
from seatrial.formats.check import check_upload
from tests.hostile import archives, engines, manifests, networks, saved, trees
from tests.hostile.case import OPTIONS, Case, sound_onnx, sound_plan, sound_saved_model

CASES: dict[str, Case] = {
    f"{kind}-{name}": case
    for kind, cases in {
        "manifest": manifests.CASES,
        "folder": trees.CASES,
        "sample": archives.CASES,
        "onnx": networks.CASES,
        "savedmodel": saved.CASES,
        "plan": engines.CASES,
    }.items()
    for name, case in cases.items()
}
LONGEST_S = 10.0
MOST_BYTES = 10**9
LONGEST_LINE = 2000

Record = Callable[[str, object], None]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the check may put temporary files, and where a file would land that is written to no folder's name."""
    for name in ("temporary", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_hostile_upload_is_refused_by_name_and_leaves_nothing(
    case: Case, home: Path, record_property: Record
) -> None:
    folder = home / "upload"
    case.build(folder)
    os.chdir(home / "here")
    before = _listing(folder)

    highest, started = _peak_bytes(), time.monotonic()
    refusal = _refusal(case, folder)
    took, peak = time.monotonic() - started, _peak_bytes()

    record_property("hostile", {"seconds": took, "peak_bytes": peak, "passed": refusal is None})
    assert took < LONGEST_S
    assert peak < MOST_BYTES or peak == highest
    _check(case, refusal)
    assert _listing(folder) == before, "the upload was written to"
    assert not list((home / "temporary").iterdir()), "a temporary file stayed"
    assert not list((home / "here").iterdir()), "a file was written"
    assert not _alive(str(home)), "a process stayed"


@pytest.mark.parametrize("build", [sound_onnx, sound_saved_model, sound_plan])
def test_a_sound_upload_passes_where_the_hostile_ones_are_refused(build: Callable[[Path], Path], home: Path) -> None:
    assert check_upload(build(home / "upload"), OPTIONS).tree_digest


def _peak_bytes() -> int:
    """The most that any child of this process has taken so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def _refusal(case: Case, folder: Path) -> UploadRefused | None:
    try:
        check_upload(folder, case.options, case.limits)
    except UploadRefused as error:
        return error
    return None


def _check(case: Case, refusal: UploadRefused | None) -> None:
    if refusal is None:
        assert case.may_pass, "was accepted"
        return
    said = str(refusal)
    assert said.isprintable(), "one line, without control characters"
    assert len(said) <= LONGEST_LINE
    if not case.may_pass:
        assert refusal.fields["file"] == case.file, said
        assert [word for word in case.says if word not in said] == [], said


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of what is in a folder, links not followed."""
    if not folder.exists():
        return []
    found = []
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            status = os.lstat(os.path.join(path, name))  # noqa: PTH118  # names that are no text
            found.append((os.path.join(path, name), status.st_size, status.st_mtime_ns))  # noqa: PTH118
    return sorted(found)


def _alive(mark: str) -> list[int]:
    """Processes that have `mark` in their environment, as every child of a check here has."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and any(mark in value for value in process.environ().values()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
