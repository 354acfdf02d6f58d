"""What the sandbox's child can no longer do, asked of the kernel by real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import seatrial

LIBRARY = str(Path(seatrial.__file__).parents[1])

FORBIDDEN = {
    "a connection": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "a local socket": "import socket; socket.socketpair()",
    "a program": "os.execv('/bin/true', ['true'])",
    "a fork": "os.fork()",
    "a child": "import subprocess; subprocess.run(['/bin/true'])",
    "a spawned child": "os.posix_spawn('/bin/true', ['true'], {})",
    "a signal": "os.kill(os.getppid(), 0)",
}
WRITING = {
    "a new file": "open('new', 'w')",
    "a file that is there": "open('there', 'r+')",
    "a longer file": "open('there', 'a')",
    "an unlinked file": "os.unlink('there')",
    "a renamed file": "os.rename('there', 'other')",
    "a folder": "os.mkdir('folder')",
    "a link": "os.symlink('there', 'link')",
    "a mode": "os.chmod('there', 0o777)",
    "a cut file": "os.truncate('there', 0)",
}
ALLOWED = {
    "reading": "open('there').read()",
    "a thread": "import threading; t = threading.Thread(target=print); t.start(); t.join()",
    "a library": "import numpy; numpy.ones(4).sum()",
}


def _do(folder: Path, deed: str, *, writes: bool = False) -> str:
    """The last line that a confined process says of what it is made to do."""
    (folder / "there").write_text("text")
    program = (
        f"import os\nfrom seatrial.formats.syscalls import confine\nconfine(writes={writes})\n{deed}\nprint('done')"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", program], cwd=folder, env={"PYTHONPATH": LIBRARY}, capture_output=True, text=True
    )
    return (done.stdout + done.stderr).strip().rpartition("\n")[2]


@pytest.mark.parametrize("deed", [*FORBIDDEN.values(), *WRITING.values()], ids=[*FORBIDDEN, *WRITING])
def test_a_confined_process_gets_no_answer_but_permission_denied(tmp_path: Path, deed: str) -> None:
    assert "Permission denied" in _do(tmp_path, deed)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "text"


@pytest.mark.parametrize("deed", ALLOWED.values(), ids=ALLOWED)
def test_it_reads_and_computes_as_before(tmp_path: Path, deed: str) -> None:
    assert _do(tmp_path, deed) == "done"


@pytest.mark.parametrize("deed", WRITING.values(), ids=WRITING)
def test_one_that_has_answers_to_write_may_write_them(tmp_path: Path, deed: str) -> None:
    assert _do(tmp_path, deed, writes=True) == "done"


@pytest.mark.parametrize("deed", FORBIDDEN.values(), ids=FORBIDDEN)
def test_and_still_reaches_nobody(tmp_path: Path, deed: str) -> None:
    assert "Permission denied" in _do(tmp_path, deed, writes=True)
