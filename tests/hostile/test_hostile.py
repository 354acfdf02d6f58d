"""Every upload here is refused by name, quickly, in little memory, and leaves nothing; or it is sound and passes.

Each goes through the steps that a run has, with a real manager on a real registry: the check, and where that passes the
registration.
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from seatrial.client.manager_api import ManagerAPI
from seatrial.errors import UploadRefused
from seatrial.formats.check import check_upload
from seatrial.steps.check_format import check_format
from seatrial.steps.register import register
from tests.hostile import archives, engines, manifests, mlflow, networks, saved, trees
from tests.hostile.case import (
    MOST_FILES,
    MOST_TOGETHER,
    OPTIONS,
    Case,
    large_onnx,
    sound_onnx,
    sound_plan,
    sound_saved_model,
)
from tests.managers import environ_of, managers
from tests.rollover import run_of
from tests.storages import upload_in

CASES: dict[str, Case] = {
    f"{kind}-{name}": case
    for kind, cases in {
        "manifest": manifests.CASES,
        "folder": trees.CASES,
        "sample": archives.CASES,
        "mlflow": mlflow.CASES,
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


@dataclass(frozen=True)
class Registry:
    """A manager, whose uploads are the folders of all tests here, and what it may not have of a refused one."""

    api: ManagerAPI
    home: Path

    def holds(self) -> tuple[object, ...]:
        """Models, kept files, servers."""
        kept = [sorted(path.name for path in (self.home / name).rglob("*")) for name in ("artifacts", "servers")]
        return self.api.models(), *kept

    def refusal(self, case: Case, folder: Path) -> UploadRefused | None:
        """What the steps of a run say of an upload; None when it is registered."""
        run = run_of(self.api, f"hostile__{folder.parent.name}")
        try:
            if case.limits or case.options != OPTIONS:
                check_upload(folder, case.options, case.limits)
            else:
                upload = upload_in(folder)
                register(run, upload, check_format(run, upload))
        except UploadRefused as error:
            return error
        return None


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    home = tmp_path_factory.mktemp("manager")
    (home / "options.yaml").write_text(
        "- {name: cpu-1x1, memory_mib: 1024}\n- {name: gpu-any, device: gpu}\n"  # as OPTIONS, with a limit
    )
    uploads = tmp_path_factory.getbasetemp().as_uri()
    environ = environ_of(
        home,
        SEATRIAL_OPTIONS=str(home / "options.yaml"),
        SEATRIAL_UPLOADS=uploads,
        SEATRIAL_UPLOAD_FILES=str(MOST_FILES),
        SEATRIAL_UPLOAD_BYTES=str(MOST_TOGETHER),
    )
    with managers(environ) as (api,):
        yield Registry(api, home)


@pytest.fixture
def home(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the check may put temporary files, and where a file would land that is written to no folder's name."""
    for name in ("temporary", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_hostile_upload_is_refused_by_name_and_leaves_nothing(
    case: Case, home: Path, registry: Registry, record_property: Record
) -> None:
    folder = home / "upload"
    case.build(folder)
    os.chdir(home / "here")
    before, known = _listing(folder), registry.holds()

    highest, spent, started = _peak_bytes(), _cpu_s(), time.monotonic()
    refusal = registry.refusal(case, folder)
    took, cpu, peak = time.monotonic() - started, _cpu_s() - spent, _peak_bytes()

    record_property("hostile", {"seconds": took, "peak_bytes": peak, "passed": refusal is None})
    assert cpu < LONGEST_S, "of CPU: that is what the check may take, however busy the machine is"
    assert peak < MOST_BYTES or peak == highest
    _check(case, refusal)
    assert (registry.holds() == known) is (refusal is not None), "the registry holds what was accepted and no more"
    assert _listing(folder) == before, "the upload was written to"
    assert not list((home / "temporary").iterdir()), "a temporary file stayed"
    assert not list((home / "here").iterdir()), "a file was written"
    assert not _alive(str(home)), "a process stayed"


def test_a_million_files_are_refused_before_all_are_listed(home: Path, record_property: Record) -> None:
    with tempfile.TemporaryDirectory(dir=_roomy(home)) as where:
        folder = sound_onnx(Path(where) / "upload")
        for number in range(20):  # hard links: a file system takes some 65 000 to one file
            first = folder / str(number) / "f"
            first.parent.mkdir()
            first.touch()
            for other in range(49_999):
                os.link(first, f"{first.parent}/{other}")
        started, spent = time.monotonic(), _cpu_s()
        with pytest.raises(UploadRefused, match="has too many files"):
            check_upload(folder, OPTIONS)
        took, cpu = time.monotonic() - started, _cpu_s() - spent
    record_property("hostile", {"seconds": took, "peak_bytes": _peak_bytes(), "passed": False})
    assert cpu < LONGEST_S
    assert not list((home / "temporary").iterdir())


@pytest.mark.parametrize("build", [sound_onnx, sound_saved_model, sound_plan, mlflow.sound])
def test_a_sound_upload_passes_where_the_hostile_ones_are_refused(build: Callable[[Path], Path], home: Path) -> None:
    assert check_upload(build(home / "upload"), OPTIONS).tree_digest


def test_a_network_with_more_than_2_gb_of_weights_passes_in_little_memory(home: Path) -> None:
    folder = large_onnx(home / "upload", floats=2**29 + 2**26)  # 2.4 GB of zeros that take no room
    report = check_upload(folder, OPTIONS)
    assert report.served.files.keys() == {"model.onnx", "w.bin"}
    assert _peak_bytes() < MOST_BYTES
    shutil.rmtree(folder)


def _roomy(home: Path) -> Path:
    """Where a million names are made in seconds: in memory, if there is room for them."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and os.statvfs(memory).f_favail > 2_000_000 else home


def _peak_bytes() -> int:
    """The most that any child of this process has taken so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def _cpu_s() -> float:
    """CPU seconds of this process and its children so far."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _check(case: Case, refusal: UploadRefused | None) -> None:
    if refusal is None:
        assert case.may_pass, "was accepted"
        return
    said, *log = str(refusal).split("\n")
    assert said.isprintable(), "one line, without control characters"
    assert all(line.isprintable() for line in log), "as is what a trial server wrote last, where it was one that failed"
    assert log == [] or "could not be served" in said
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
