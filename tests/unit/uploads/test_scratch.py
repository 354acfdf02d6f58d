"""The folder for what is fetched: gone after its work, and after a kill with the next one; never another's."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from seatrial.errors import TryAgain
from seatrial.uploads.scratch import PREFIX, scratch_folder, sweep

HOLDER = """
import sys
from seatrial.uploads.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "a").write_text("fetched")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def holder(temporary: Path) -> subprocess.Popen[str]:
    environ = {"PYTHONPATH": ":".join(sys.path), "TMPDIR": str(temporary)}
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_the_folder_is_gone_when_the_work_has_ended_or_failed(temporary: Path) -> None:
    for kind in (OSError, KeyboardInterrupt):
        with suppress(kind), scratch_folder() as folder:
            assert folder.stat().st_mode & 0o077 == 0
            (folder / "deep").mkdir()
            (folder / "deep" / "a").write_text("fetched")
            raise kind
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_swept_by_the_next_and_what_is_in_use_stays(temporary: Path) -> None:
    with holder(temporary) as killed, holder(temporary) as alive:
        assert killed.stdout is not None
        assert alive.stdout is not None
        left, used = (Path(process.stdout.readline().strip()) for process in (killed, alive) if process.stdout)
        with scratch_folder() as folder:
            assert sorted(temporary.iterdir()) == sorted((left, used, folder))
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert (left / "a").exists()
        with scratch_folder() as folder:
            assert sorted(temporary.iterdir()) == sorted((used, folder))
        alive.communicate("")
    assert list(temporary.iterdir()) == []


def test_a_sweep_follows_no_link_and_touches_nothing_else(temporary: Path) -> None:
    kept = temporary / "kept"
    kept.mkdir()
    (kept / "a").write_text("kept")
    (temporary / f"{PREFIX}link").symlink_to(kept)
    (temporary / f"{PREFIX}file").write_text("kept")
    (temporary / f"{PREFIX}left").mkdir()
    sweep()
    assert sorted(path.name for path in temporary.iterdir()) == ["kept", f"{PREFIX}file", f"{PREFIX}link"]
    assert (kept / "a").exists()


def test_racing_sweeps_take_nobodys_folder(temporary: Path) -> None:
    def work(number: int) -> bool:
        with scratch_folder() as folder:
            (folder / "a").write_text(str(number))
            sweep()
            return (folder / "a").read_text() == str(number)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(100)))
    assert list(temporary.iterdir()) == []


def test_without_a_place_for_it_the_call_may_be_repeated(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "no"))
    with pytest.raises(TryAgain, match="no folder in"), scratch_folder():
        pass
