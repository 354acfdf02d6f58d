"""Folders: what is no file, what leads out, what cannot be told apart, and far too much of it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from seatrial.formats.check import CheckLimits
from seatrial.settings import TreeLimits
from tests.hostile.case import MOST_FILES, MOST_TOGETHER, Build, Case, sound_saved_model
from tests.models import write_upload

GIB = 2**30


def _instead(name: str, target: str) -> Build:
    """The upload's `name` moved out of the folder, and a symbolic link to it in its place."""

    def build(folder: Path) -> None:
        outside = folder.parent / "outside"
        (write_upload(folder) / name).rename(outside)
        (folder / name).symlink_to(str(outside) if target == "outside" else target)

    return build


def _link(name: str, target: str) -> Build:
    return lambda folder: (write_upload(folder) / name).symlink_to(target)


def _fifo(name: str) -> Build:
    def build(folder: Path) -> None:
        (write_upload(folder) / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return build


def _socket(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(write_upload(folder))  # an address of a socket has at most 107 characters
        listening.bind("s")


def _device(folder: Path) -> None:
    try:
        os.mknod(write_upload(folder) / "zero", 0o20600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")


def _empty(name: str) -> Build:
    return lambda folder: (write_upload(folder) / name).write_bytes(b"")


def _named(*names: str | bytes) -> Build:
    def build(folder: Path) -> None:
        write_upload(folder)
        for name in names:
            path = os.path.join(os.fsencode(folder), os.fsencode(name))  # noqa: PTH118  # bytes are no Path
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))

    return build


def _sparse(name: str, size: int) -> Build:
    def build(folder: Path) -> None:
        (write_upload(folder) / name).touch()
        os.truncate(folder / name, size)

    return build


def _many(count: int) -> Build:
    def build(folder: Path) -> None:
        (write_upload(folder) / "many").mkdir()
        for number in range(count):
            os.close(os.open(folder / "many" / str(number), os.O_CREAT | os.O_WRONLY, 0o600))

    return build


def _many_names(count: int) -> Build:
    """Hard links of one file: a listing like that of as many files, made in a fraction of the time."""

    def build(folder: Path) -> None:
        first = write_upload(folder) / "many" / "f"
        first.parent.mkdir()
        first.touch()
        for number in range(count):
            os.link(first, folder / "many" / str(number))

    return build


def _folders(count: int) -> Build:
    def build(folder: Path) -> None:
        (write_upload(folder) / "many").mkdir()
        for number in range(count):
            (folder / "many" / str(number)).mkdir()

    return build


def _deep(levels: int) -> Build:
    def build(folder: Path) -> None:
        path = write_upload(folder)
        for _ in range(levels):
            path /= "d"
            path.mkdir()

    return build


def _folder_as_file(name: str) -> Build:
    def build(folder: Path) -> None:
        (write_upload(folder) / name).unlink()
        (folder / name).mkdir()

    return build


def _linked_variables(folder: Path) -> None:
    (sound_saved_model(folder) / "saved_model" / "variables").symlink_to("/etc")


CASES = {
    "link-to-the-manifest": Case(_instead("model.yaml", "outside"), "model.yaml", ("symbolic link",)),
    "link-to-the-model": Case(_instead("model.onnx", "outside"), "model.onnx", ("symbolic link",)),
    "link-to-a-sample": Case(_instead("samples/a.npz", "outside"), "samples/a.npz", ("symbolic link",)),
    "link-to-the-samples": Case(_instead("samples", "outside"), "samples", ("symbolic link",)),
    "link-to-a-device": Case(_instead("model.onnx", "/dev/zero"), "model.onnx", ("symbolic link",)),
    "link-to-nothing": Case(_link("extra", "nothing"), "extra", ("symbolic link",)),
    "link-to-itself": Case(_link("extra", "extra"), "extra", ("symbolic link",)),
    "link-to-the-folder": Case(_link("extra", "."), "extra", ("symbolic link",)),
    "link-to-the-root": Case(_link("extra", "/"), "extra", ("symbolic link",)),
    "link-inside-a-saved-model": Case(_linked_variables, "saved_model/variables", ("symbolic link",)),
    "fifo": Case(_fifo("extra"), "extra", ("a FIFO",)),
    "fifo-as-model": Case(_fifo("model.onnx"), "model.onnx", ("a FIFO",)),
    "fifo-as-manifest": Case(_fifo("model.yaml"), "model.yaml", ("a FIFO",)),
    "socket": Case(_socket, "s", ("a socket",)),
    "device": Case(_device, "zero", ("a device",)),
    "empty-model": Case(_empty("model.onnx"), "model.onnx", ("is empty",)),
    "empty-sample": Case(_empty("samples/a.npz"), "samples/a.npz", ("npz",)),
    "folder-as-manifest": Case(_folder_as_file("model.yaml"), "model.yaml", ("not a regular file",)),
    "folder-as-model": Case(_folder_as_file("model.onnx"), "model.onnx", ("not a regular file",)),
    "folder-as-sample": Case(_folder_as_file("samples/a.npz"), "samples/a.npz", ("is missing",)),
    "file-that-is-absent": Case(lambda folder: None, ".", ("cannot be listed",)),
    "name-line-break": Case(_named("a\nb"), ".", ("file name", r"a\nb")),
    "name-control": Case(_named("a\x1b[2J"), ".", ("file name", r"\x1b")),
    "name-not-UTF-8": Case(_named(b"a\xff"), ".", ("file name",)),
    "name-backslash": Case(_named("..\\..\\x"), ".", ("file name",)),
    "name-right-to-left": Case(_named("a\u202exno"), ".", ("file name", r"\u202e")),
    "name-no-width": Case(_named("a\u200bb"), ".", ("file name", r"\u200b")),
    "name-template": Case(_named("{{ conn.seatrial.password }}"), ".", ("file name", "{{")),
    "name-template-statement": Case(_named("{% raw %}"), ".", ("file name", "{%")),
    "name-option": Case(_named("-rf"), ".", ("file name", "-rf")),
    "name-option-below": Case(_named("data/--help"), "data", ("file name", "--help")),
    "name-reserved": Case(_named("CON"), ".", ("file name", "CON")),
    "name-reserved-with-ending": Case(_named("data/aux.json"), "data", ("file name", "aux.json")),
    "name-dot-at-the-end": Case(_named("a."), ".", ("file name", "a.")),
    "name-blank-at-the-end": Case(_named("a "), ".", ("file name", "'a '")),
    "name-not-composed": Case(_named("cafe\u0301.txt"), ".", ("file name",)),
    "name-full-width": Case(_named("ｍodel.onnx"), ".", ("file name",)),
    "names-but-for-case": Case(_named("Model.onnx"), "model.onnx", ("Model.onnx",)),
    "names-but-for-case-of-folders": Case(_named("Samples/a.npz"), "samples", ("Samples",)),
    "long-path": Case(_named("/".join(["d" * 100] * 6)), "/".join(["d" * 100] * 5), ("file name",)),
    "deep": Case(_deep(17), "/".join(["d"] * 16), ("file name",)),
    "deeper": Case(_deep(500), "/".join(["d"] * 16), ("file name",)),
    "10001-files": Case(_many(10_001), ".", ("too many files", str(MOST_FILES))),
    "60000-names-of-one-file": Case(_many_names(60_000), ".", ("too many files", str(MOST_FILES))),
    "10001-folders": Case(_folders(10_001), ".", ("too many files", str(MOST_FILES))),
    "few-files-allowed": Case(_named("extra"), ".", ("3 files",), limits=CheckLimits(tree=TreeLimits(files=3))),
    "large-file": Case(_sparse("extra", 9 * GIB), "extra", ("too large", str(MOST_TOGETHER))),
    "large-model": Case(_sparse("model.onnx", 3 * GIB), "model.onnx", ("too many", str(2**31 - 1))),
    "large-sample": Case(_sparse("samples/a.npz", GIB), "samples/a.npz", ("too large", str(256 * 2**20))),
    "endless-file": Case(_sparse("extra", 2**42), "extra", ("too large", str(MOST_TOGETHER))),
}
