"""`seatrial upload` from the shell: where it goes, what it says, its exit status, and being stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import Seatrial, document, seatrial_in
from tests.models import write_upload


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    roots = f"{tmp_path / 'first'} file://{tmp_path / 'second'}"
    return {"SEATRIAL_HOME": str(tmp_path / "home"), "SEATRIAL_UPLOADS": roots, "PATH": os.environ["PATH"]}


@pytest.fixture
def seatrial(environ: dict[str, str], tmp_path: Path) -> Seatrial:
    return seatrial_in(tmp_path, environ)


def test_it_goes_to_the_first_root_under_a_name_of_model_and_files(seatrial: Seatrial, tmp_path: Path) -> None:
    write_upload(tmp_path / "mine", marker=False)
    found = document(seatrial("upload", "mine", "--json"))
    assert (found["model"], found["sent"]) == ("tiny", True)
    assert found["upload"] == f"{tmp_path}/first/tiny-{found['tree_digest'][:12]}"
    assert {path.name for path in Path(found["upload"]).iterdir()} == {
        "_SUCCESS",
        "model.onnx",
        "model.yaml",
        "samples",
    }
    again = seatrial("upload", "mine")
    assert (again.returncode, "these very files: nothing was sent" in again.stdout) == (0, True)


def test_what_is_sent_is_within_the_limits_of_an_upload(
    seatrial: Seatrial, environ: dict[str, str], tmp_path: Path
) -> None:
    write_upload(tmp_path / "mine", marker=False)
    for name, value in (("SEATRIAL_UPLOAD_FILES", "3"), ("SEATRIAL_UPLOAD_BYTES", "100")):
        environ[name] = value
        refused = seatrial("upload", "mine")
        assert (refused.returncode, f"limit: {value} " in refused.stderr) == (2, True), refused.stderr
        del environ[name]
    assert not (tmp_path / "first").exists()


@pytest.mark.parametrize("root", ["{}/second", "file://{}/second"])
def test_a_root_may_be_chosen_as_a_url_or_a_path(seatrial: Seatrial, tmp_path: Path, root: str) -> None:
    write_upload(tmp_path / "mine", marker=False)
    found = document(seatrial("upload", "mine", "--to", "x", "--root", root.format(tmp_path), "--json"))
    assert found["upload"] == f"{tmp_path}/second/x"
    assert (tmp_path / "second" / "x" / "_SUCCESS").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nowhere"], 2, "model.yaml"),
        (["mine", "--to", "../x"], 2, "cannot name an upload"),
        (["mine", "--root", "ftp://x/y"], 2, "must be file:///"),
        (["mine", "--root", ""], 2, "--root"),
        (["mine", "--root", "hdfs:///models"], 2, "NameNode"),
        (["mine", "--to", "taken"], 4, "choose another name"),
        (["linked"], 2, "is a symbolic link"),
    ],
)
def test_errors_are_one_line_with_a_status_that_says_what_to_do(
    seatrial: Seatrial, tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    write_upload(tmp_path / "mine", marker=False)
    (write_upload(tmp_path / "linked", marker=False) / "link").symlink_to("model.onnx")
    (tmp_path / "first" / "taken").mkdir(parents=True)
    done = seatrial("upload", *arguments)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in (tmp_path / "first").iterdir()] == ["taken"]


STOPPED = """
import os, signal, sys
from seatrial.cli import main
from seatrial.cli_progress import Progress

pressed = []

def start(self, total, there):
    return press

def press(more):
    if more > 0 and not pressed:
        pressed.append(os.kill(os.getpid(), signal.SIGINT))

Progress.start = start
main(sys.argv[1:])
"""


def test_ctrl_c_says_how_to_go_on_and_that_does(seatrial: Seatrial, environ: dict[str, str], tmp_path: Path) -> None:
    write_upload(tmp_path / "mine", marker=False)
    command = [sys.executable, "-c", STOPPED, "upload", "mine"]
    done = subprocess.run(
        command,
        env={**environ, "PYTHONPATH": ":".join(sys.path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in (tmp_path / "first").iterdir() if path.name[0] != "."]
    advice = done.stderr.strip().rpartition("to go on: ")[2].split()
    assert advice[:3] == ["seatrial", "upload", "mine"]
    assert document(seatrial(*advice[1:], "--json"))["sent"]
    assert [path.name for path in (tmp_path / "first").iterdir()] == [advice[-1]]
