"""Commands that carry a whole registry: export to a file, import from one."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any, BinaryIO

from seatrial.cli_common import Answer, api, command
from seatrial.errors import Conflict, Refused

CHUNK = 2**20


def add_to(commands: Any) -> None:
    new = command(
        commands,
        "export",
        export,
        "the whole registry into one file",
        "seatrial export registry.jsonl.gz",
        """Models, versions, evidence and stage moves as lines of JSON; the last line holds counts and a digest, so that
a cut-off file is noticed. The same registry is the same file, byte by byte. Model files are not in it: copy
SEATRIAL_HOME/artifacts as well (its files never change: rsync or cp -a at any time, before or after).""",
    )
    new.add_argument("file", metavar="FILE.jsonl[.gz]", help="must not be there yet")
    new = command(
        commands,
        "import",
        import_,
        "an exported file into an empty registry, with the same model ids and times",
        "seatrial import registry.jsonl.gz",
        """Start a manager on a new SEATRIAL_HOME (and, for a database server, a new database), let nobody else write,
and copy the artifact store there. The file is read and checked as a whole before anything is written. If
the manager is stopped half way, give the same command again: it goes on where it was.""",
    )
    new.add_argument("file", metavar="FILE.jsonl[.gz]")


def export(arguments: argparse.Namespace) -> Answer:
    from seatrial.registry import archive
    from seatrial.storage.local import atomic_file

    target = Path(arguments.file)
    if target.exists():
        raise Conflict(f"{target} is there already: no export overwrites a file", file=str(target))
    try:
        with atomic_file(target) as file, api() as manager:
            with _packed(file, target) as packed:
                for piece in manager.export():
                    packed.write(piece)
            file.flush()
            written = Path(f"/proc/self/fd/{file.fileno()}")
            deque(archive.read(_lines(written, target)), maxlen=0)
            end = deque(_lines(written, target), maxlen=1)[0]
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise Refused(f"{target}: {error.strerror or error}", field="file", value=str(target)) from error
    found = {**_counts(end), "file": str(target), "bytes": size}
    return found, [f"{target}: {_said(found)}, {size} bytes; copy the artifact store too: model files are not in it"]


def import_(arguments: argparse.Namespace) -> Answer:
    source = Path(arguments.file)
    try:
        with api() as manager:
            found = manager.import_(_pieces(source))
    except OSError as error:
        raise Refused(f"{source}: {error.strerror or error}", field="file", value=str(source)) from error
    return found, [f"imported {_said(found)}"]


def _packed(file: BinaryIO, target: Path) -> AbstractContextManager[IO[bytes]]:
    """gzip without name and time: the same registry stays the same file."""
    if target.suffix == ".gz":
        return io.BufferedWriter(gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0))
    return nullcontext(file)


def _lines(path: Path, named: Path) -> Iterator[bytes]:
    with _opened(path, named) as file:
        yield from file


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with _opened(path, path) as file:
            while piece := file.read(CHUNK):
                yield piece
    except (EOFError, gzip.BadGzipFile) as error:
        raise Refused(f"{path}: the file was cut off or is no gzip file", field="file", value=str(path)) from error


def _opened(path: Path, named: Path) -> IO[bytes]:
    return io.BufferedReader(gzip.GzipFile(path, "rb")) if named.suffix == ".gz" else path.open("rb")


def _counts(end: bytes) -> dict[str, Any]:
    return {name: value for name, value in json.loads(end).items() if name != "line"}


def _said(found: dict[str, Any]) -> str:
    return (
        f"{found['models']} models, {found['versions']} versions, {found['evidence']} documents, {found['moves']} moves"
    )
